"""One axis of an input in overlapping tiles, and the matrix that cuts and transforms them all."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from harness.convs.cook_toom import cook_toom
from harness.convs.geometry import Conv, output_size, paddings


@dataclass(frozen=True)
class Axis:
    """One axis of an input: `tiles` tiles of n values each give tiles of m outputs.

    `before` is the zero padding at its start; what is missing at its end is zero too.
    """

    length: int
    before: int
    outputs: int
    m: int
    r: int

    @property
    def n(self) -> int:
        return self.m + self.r - 1

    @property
    def tiles(self) -> int:
        return -(-self.outputs // self.m)

    @property
    def inverse(self) -> np.ndarray | None:
        """A^T: (m, n); None if there is no kernel along this axis."""
        return None if self.r == 1 else _floats(self.m, self.r)[0]

    @property
    def kernel(self) -> np.ndarray | None:
        """G: (n, r); None if there is no kernel along this axis."""
        return None if self.r == 1 else _floats(self.m, self.r)[1]

    @property
    def data(self) -> np.ndarray | None:
        """B^T for every tile, with cutting and padding: (n * tiles, length), positions first.

        None if there is neither a kernel nor padding along this axis.
        """
        return None if self.r == 1 and self.outputs == self.length else _all_tiles(self)


def axes_of(conv: Conv, size: Sequence[int], tile: Sequence[int]) -> list[Axis]:
    """The axes of an input of `size` ([frames,] height, width); ValueError if it is too small."""
    tiles = (m if r > 1 else 1 for m, r in zip(tile, conv.kernel_size, strict=True))
    before = (first for first, _ in paddings(conv))
    axes = zip(size, before, output_size(conv, size), tiles, conv.kernel_size, strict=True)
    return [Axis(*axis) for axis in axes]


@cache
def _floats(m: int, r: int) -> list[np.ndarray]:
    return [np.array(matrix, dtype=np.float64) for matrix in cook_toom(m, r)]


@cache
def _all_tiles(axis: Axis) -> np.ndarray:
    one_tile = _floats(axis.m, axis.r)[2]
    reach = (axis.tiles - 1) * axis.m + axis.n
    matrix = np.zeros((axis.n, axis.tiles, max(reach, axis.before + axis.length)))
    for i in range(axis.tiles):
        matrix[:, i, i * axis.m : i * axis.m + axis.n] = one_tile
    seen = matrix[:, :, axis.before : axis.before + axis.length]
    return seen.reshape(axis.n * axis.tiles, axis.length)
