"""Convolution by Winograd's minimal filtering, in two and three dimensions: a reference.

References: Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016,
section 4, Algorithm 1, https://arxiv.org/abs/1509.09308; Tong and Huang, "A Survey of Winograd
Convolution Algorithms", 2021, https://arxiv.org/abs/2111.00977

F(m, r) is nested over the axes. As in the paper, each of the n^d positions of a tile is one matrix
product over channels, and channels are summed before the inverse transform. Unlike the paper, the
tiles of a whole axis are cut, padded and transformed by one matrix, so that automatic
differentiation of it is matrix products too. It equals `standard` up to rounding and is written in
plain PyTorch to be read: fewer products over channels, not less time.
"""

from collections.abc import Sequence
from math import prod

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from harness.convs.algorithms.tiling import Axis, axes_of
from harness.convs.geometry import Conv
from harness.convs.precision import in_single_at_least

BLOCK = 2**20  # transformed values at a time: on a CPU they stay in its last cache


def _contract(x: Tensor, matrices: Sequence[np.ndarray | None]) -> Tensor:
    """Multiply each leading axis of `x` by its matrix, if it has one, the foremost first."""
    done, rest = 1, list(x.shape)
    for array in matrices:
        length, rest = rest[0], rest[1:]
        if array is not None:
            matrix = torch.as_tensor(array, dtype=x.dtype, device=x.device)
            x = matrix @ x.reshape(done, length, prod(rest))
            length = len(array)
        done *= length
    return x


def convolve(
    x: Float[Tensor, "batch c_in *size"], conv: Conv, tile: Sequence[int]
) -> Float[Tensor, "batch c_out *out"]:
    """What `conv` computes, by tiles of `tile` outputs along each axis, in float32 at least."""
    axes = axes_of(conv, x.shape[2:], tile)

    def compute(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        filters = _filters(weight, axes)
        parts = x.split(_samples_at_once(x, filters, axes))
        y = torch.cat([_outputs(part, filters, axes) for part in parts])
        return y if bias is None else y + bias.view(-1, *[1] * len(axes))

    return in_single_at_least(x, conv, compute)


def _samples_at_once(x: Tensor, filters: Tensor, axes: Sequence[Axis]) -> int:
    positions, c_in, c_out = filters.shape
    sample = positions * max(c_in, c_out) * prod(axis.tiles for axis in axes)
    return max(1, BLOCK // sample if x.device.type == "cpu" else len(x))


def _filters(weight: Tensor, axes: Sequence[Axis]) -> Tensor:
    """U = G g G^T: (positions, in channels, out channels)."""
    c_out, c_in = weight.shape[:2]
    taps_first = weight.movedim((1, 0), (-2, -1))
    return _contract(taps_first, [axis.kernel for axis in axes]).reshape(-1, c_in, c_out)


def _outputs(x: Tensor, filters: Tensor, axes: Sequence[Axis]) -> Tensor:
    """Y = A^T [U V] A with V = B^T d B, for all tiles of a few samples."""
    samples, c_in = x.shape[:2]
    positions, _, c_out = filters.shape
    n, m, tiles = ([getattr(axis, name) for axis in axes] for name in ("n", "m", "tiles"))
    d = len(axes)
    odd, even = range(1, 2 * d, 2), range(0, 2 * d, 2)

    x = _contract(x.movedim((0, 1), (-2, -1)), [axis.data for axis in axes])
    x = x.reshape(*[size for pair in zip(n, tiles, strict=True) for size in pair], samples, c_in)
    x = x.permute(*even, *odd, -2, -1).reshape(positions, prod(tiles) * samples, c_in)

    products = torch.bmm(x, filters).view(*n, prod(tiles) * samples * c_out)
    y = _contract(products, [axis.inverse for axis in axes])
    y = y.reshape(*m, *tiles, samples, c_out)
    y = y.permute(-2, -1, *[i for axis in range(d) for i in (d + axis, axis)])
    y = y.reshape(samples, c_out, *[axis.tiles * axis.m for axis in axes])
    for i, axis in enumerate(axes):
        y = y.narrow(2 + i, 0, axis.outputs)
    return y
