"""Which tile a convolution is computed with: by a rule, or as the user says.

A tile has one number an axis: 2 or 4 outputs, 1 for an axis that is summed directly, tap by tap,
and 1 for an axis without a kernel.
"""

from collections.abc import Sequence
from functools import lru_cache

from harness.convs.native.library import chosen_set
from harness.convs.native.winograd import TILES

Tile = tuple[int, ...]
SHORT = 2  # frames, up to which a transform of time saves no product
LAST_CACHE = 32 * 2**20  # bytes; transformed weights beyond it are read from memory
FEW = {"avx2": 4, "avx512": 16}  # fewer tiles do not pay for such a reading; by speed of products


@lru_cache(maxsize=1024)
def tile_of(
    wish: str | int | tuple[int, ...],
    kernel: tuple[int, ...],
    outputs: tuple[int, ...],
    weights: int,
    batch: int,
) -> Tile:
    """The tile for one input: `kernel` and `outputs` have an entry an axis, frames first in 3-D.

    `weights` is in channels times out channels. The rule, for `auto`: four outputs along every
    axis that has more than two, which is where the products saved outweigh the larger transforms;
    two where the transformed weights of few tiles would not fit into the last cache; how few
    these are depends on how fast this machine multiplies. One or two frames are summed directly:
    that takes no more products than their transform.
    """
    if isinstance(wish, tuple):
        return tuple(m if r > 1 else 1 for m, r in zip(wish, kernel, strict=True))
    most = 4 if wish == "auto" else int(wish)
    tile = _uniform(most, kernel, outputs, rule=wish == "auto")
    if wish == "auto" and _starved(tile, kernel, outputs, weights, batch):
        tile = _uniform(2, kernel, outputs, rule=True)
    return tile


def _uniform(most: int, kernel: Sequence[int], outputs: Sequence[int], *, rule: bool) -> Tile:
    axes = sum(r > 1 for r in kernel)
    direct = len(kernel) == 3 and axes > 1 and kernel[0] > 1 and outputs[0] <= SHORT
    tile = [
        1 if r == 1 or (direct and i == 0) else min(most, 4 if n > 2 or not rule else 2)
        for i, (r, n) in enumerate(zip(kernel, outputs, strict=True))
    ]
    if not is_native(tile):
        tile = [min(m, 2) for m in tile]
    return tuple(tile)


def _starved(
    tile: Tile, kernel: Sequence[int], outputs: Sequence[int], weights: int, batch: int
) -> bool:
    positions, tiles = 1, batch
    for m, r, n in zip(tile, kernel, outputs, strict=True):
        positions *= m + r - 1 if m > 1 else r
        tiles *= -(-n // m) if m > 1 else 1
    few = FEW[chosen_set() or "avx2"]
    return tiles < few and 4 * positions * weights > LAST_CACHE


def is_native(tile: Sequence[int]) -> bool:
    """Whether the native kernels know the tile, its axes in some order."""
    whole = all(type(m) is int for m in tile)
    return whole and tuple(sorted([*tile, *[1] * (3 - len(tile))])) in TILES


def suits(tile: Sequence[int], kernel: Sequence[int]) -> bool:
    """Whether something is left to transform, and no more than one axis is summed directly."""
    along = [m for m, r in zip(tile, kernel, strict=True) if r > 1]
    masked = [m if r > 1 else 1 for m, r in zip(tile, kernel, strict=True)]
    return along.count(1) <= 1 and is_native(masked)
