"""Convolution by Winograd's minimal filtering, in two and three dimensions: a reference.

References: Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016,
section 4, Algorithm 1, https://arxiv.org/abs/1509.09308; Tong and Huang, "A Survey of Winograd
Convolution Algorithms", 2021, https://arxiv.org/abs/2111.00977

F(m, r) is nested over the axes. As in the paper, each of the n^d positions of a tile is one matrix
product over channels, and channels are summed before the inverse transform. Unlike the paper, the
tiles of a whole axis are cut, padded and transformed by one matrix, so that automatic
differentiation of it is matrix products too. It is exact, and written in plain PyTorch to be read:
fewer multiplications than `standard`, not less time.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cache
from math import prod
from typing import ClassVar, Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from harness.convs.cook_toom import Matrix, cook_toom
from harness.convs.geometry import Conv, like

LARGEST_KERNEL = 5
BLOCK = 2**20  # values of one tile position and channel in flight: on a CPU they stay in its cache


@dataclass(frozen=True, kw_only=True)
class Winograd:
    """Output tiles of `tile` rows and columns, and of two frames; stride 1 only."""

    KERNEL: ClassVar[str] = "reference"

    tile: Literal[2, 4] = 2

    def refuses(self, conv: Conv) -> str | None:
        kernel = conv.kernel_size
        wrong = {
            f"stride {conv.stride}": set(conv.stride) != {1},
            f"dilation {conv.dilation}": set(conv.dilation) != {1},
            f"groups {conv.groups}": conv.groups != 1,
            f"padding mode {conv.padding_mode!r}": conv.padding_mode != "zeros",
            f"kernel {kernel}": not 1 < max(kernel) <= LARGEST_KERNEL,
        }
        return next((reason for reason, holds in wrong.items() if holds), None)

    def replace(self, conv: Conv) -> nn.Module:
        new: WinogradConv2d | WinogradConv3d
        if isinstance(conv, nn.Conv2d):
            new = like(conv, WinogradConv2d)
        else:
            new = like(conv, WinogradConv3d)
        new.tile = self.tile
        return new


class WinogradConv2d(nn.Conv2d):
    """`nn.Conv2d` by F(m x m, r x r)."""

    tile: int = 2

    def forward(self, input: Float[Tensor, "batch c_in *size"]) -> Float[Tensor, "batch c_out *out"]:
        return _convolve(input, self, (self.tile, self.tile))


class WinogradConv3d(nn.Conv3d):
    """`nn.Conv3d` by F(2 x m x m, r x r x r); clips are short, so tiles are two frames long."""

    tile: int = 2

    def forward(self, input: Float[Tensor, "batch c_in *size"]) -> Float[Tensor, "batch c_out *out"]:
        return _convolve(input, self, (2, self.tile, self.tile))
