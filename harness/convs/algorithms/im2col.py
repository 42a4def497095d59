"""Convolution as one matrix product over unfolded windows: the classical baseline, and its memory.

References: Chellapilla, Puri and Simard, "High Performance Convolutional Neural Networks for
Document Processing", IWFHR 2006, section 4, https://inria.hal.science/inria-00112631; Jia et al.,
"Caffe: Convolutional Architecture for Feature Embedding", ACM Multimedia 2014,
https://arxiv.org/abs/1408.5093

Every window of the input becomes a column of channels x taps values, so that the buffer holds an
input of stride 1 as many times as the kernel has taps. As in Caffe, a few samples are unfolded at a
time; automatic differentiation keeps the columns of all of them. Plain PyTorch: `unfold` and the
matrix product of its BLAS.
"""

from dataclasses import dataclass
from math import prod
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness.convs.algorithms.computed import computed
from harness.convs.geometry import Conv, output_size, paddings, zero_padded
from harness.convs.precision import in_single_at_least

BLOCK = 2**24  # unfolded values at a time


@dataclass(frozen=True, kw_only=True)
class Im2col:
    """Any stride, dilation, groups and zero padding."""

    kernel: ClassVar[str] = "reference"

    def refuses(self, conv: Conv) -> str | None:
        return None if conv.padding_mode == "zeros" else f"padding mode {conv.padding_mode!r}"

    def replace(self, conv: Conv) -> nn.Module:
        return computed(conv, _convolve)


def _convolve(x: Tensor, conv: Conv) -> Tensor:
    size = output_size(conv, x.shape[2:])
    at_once = max(1, BLOCK // (conv.in_channels * prod(conv.kernel_size) * prod(size)))

    def compute(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        rows = weight.reshape(conv.groups, conv.out_channels // conv.groups, -1)
        parts = [
            rows @ _columns(zero_padded(part, paddings(conv)), conv) for part in x.split(at_once)
        ]
        y = torch.cat(parts).flatten(2, 3).movedim(1, 2)  # batch, channels, frames, pixels
        y = y.reshape(len(x), conv.out_channels, *size)
        return y if bias is None else y + bias.view(-1, *[1] * len(size))

    return in_single_at_least(x, conv, compute)


def _columns(x: Tensor, conv: Conv) -> Tensor:
    """The windows of a padded input: (batch, frames, groups, channels x taps, pixels).

    An image is a clip of one frame.
    """
    if x.dim() == 5:
        frames = x.unfold(2, conv.dilation[0] * (conv.kernel_size[0] - 1) + 1, conv.stride[0])
        frames = frames[..., :: conv.dilation[0]].permute(0, 2, 1, 5, 3, 4)
    else:
        frames = x[:, None, :, None]
    images = frames.flatten(2, 3).flatten(0, 1)
    planes = {name: getattr(conv, name)[-2:] for name in ("kernel_size", "dilation", "stride")}
    columns = F.unfold(images, **planes)
    return columns.unflatten(1, (conv.groups, -1)).unflatten(0, frames.shape[:2])
