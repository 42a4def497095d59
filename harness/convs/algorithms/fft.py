"""Convolution by the Fourier transform: a product for each frequency.

References: Mathieu, Henaff and LeCun, "Fast Training of Convolutional Networks through FFTs", ICLR
2014, section 2, https://arxiv.org/abs/1312.5851; Vasilache et al., "Fast Convolutional Nets With
fbfft", ICLR 2015, https://arxiv.org/abs/1412.7580

A correlation is the inverse transform of X conj(W), summed over channels before it. Transforms
reach over the whole padded input, up to the next length that has small prime factors: what wraps
around falls outside of the outputs. As the papers say the cost hardly depends on the kernel, which
pays for large ones alone. Kernels are blown up to the size of the input: at every frequency there
are channels x channels complex values, gigabytes for wide layers on large maps. The papers leave
strides open: here all outputs are computed and some are kept, which saves nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import ClassVar

import torch
from scipy.fft import next_fast_len
from torch import Tensor, nn
from torch.nn import functional as F

from harness.convs.algorithms.computed import computed
from harness.convs.geometry import Conv, output_size, paddings, zero_padded
from harness.convs.precision import in_single_at_least


@dataclass(frozen=True, kw_only=True)
class Fft:
    """Any kernel size, stride and zero padding; neither dilation nor groups."""

    kernel: ClassVar[str] = "reference"

    def refuses(self, conv: Conv) -> str | None:
        wrong = {
            f"dilation {conv.dilation}": set(conv.dilation) != {1},
            f"groups {conv.groups}": conv.groups != 1,
            f"padding mode {conv.padding_mode!r}": conv.padding_mode != "zeros",
        }
        return next((reason for reason, holds in wrong.items() if holds), None)

    def replace(self, conv: Conv) -> nn.Module:
        return computed(conv, _convolve, multiplications)


def multiplications(conv: Conv, size: Sequence[int]) -> int:
    """Real multiplications of one sample's products, four a complex one; not the transforms'."""
    padded = [n + sum(pad) for n, pad in zip(size, paddings(conv), strict=True)]
    *others, last = (next_fast_len(length, real=True) for length in padded)
    return 4 * prod(others) * (last // 2 + 1) * conv.in_channels * conv.out_channels


def _convolve(x: Tensor, conv: Conv) -> Tensor:
    size = output_size(conv, x.shape[2:])

    def compute(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        some = x if len(x) else F.pad(x, [0, 0] * (x.dim() - 1) + [0, 1])  # MKL wants one at least
        y = _correlate(zero_padded(some, paddings(conv)), weight)[: len(x)]
        kept = [slice(0, n * step, step) for n, step in zip(size, conv.stride, strict=True)]
        y = y[:, :, *kept]
        return y if bias is None else y + bias.view(-1, *[1] * len(size))

    return in_single_at_least(x, conv, compute)


def _correlate(x: Tensor, weight: Tensor) -> Tensor:
    """Of a padded input; what is right begins at its first value: the rest has wrapped around."""
    axes = list(range(2, x.dim()))
    lengths = [next_fast_len(length, real=True) for length in x.shape[2:]]
    at = torch.fft.rfftn(x, lengths, axes), torch.fft.rfftn(weight, lengths, axes).conj()
    return torch.fft.irfftn(torch.einsum("nc...,kc...->nk...", *at), lengths, axes)
