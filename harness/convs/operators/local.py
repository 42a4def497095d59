"""Locally connected layer: the receptive fields of a convolution, without sharing of weights.

Reference: Malach and Shalev-Shwartz, "Computational Separation Between Convolutional and
Fully-Connected Networks", ICLR 2021, https://arxiv.org/abs/2010.01369, which shows that what
gradient descent needs is locality, not sharing; this layer keeps the one and drops the other.

There is a kernel, and a bias where the convolution has one, for each output position, so the layer
fits one size of input only, and has as many times more weights as there are positions. It is no
convolution: a batched matrix product over positions, on patches that take as many times the memory
of the input as a kernel has taps, divided by the strides.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import prod, sqrt

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from harness.convs.geometry import Conv, padding_of, place
from harness.convs.swap import input_sizes
from harness.errors import UserError


@dataclass(kw_only=True)
class Local:
    """A kernel for each position; a layer that needs more than `most_weights` stays as it is."""

    most_weights: int = 20_000_000
    sizes: dict[nn.Module, set[tuple[int, ...]]] = field(
        default_factory=dict, init=False, repr=False
    )

    def survey(self, network: nn.Module, size: Sequence[int]) -> None:
        self.sizes = input_sizes(network, size)

    def refuses(self, conv: Conv) -> str | None:
        sizes = self.sizes.get(conv, set())
        wrong = {
            f"kernel {conv.kernel_size}": max(conv.kernel_size) == 1,
            f"groups {conv.groups}": conv.groups != 1,
            f"padding {conv.padding!r}": isinstance(conv.padding, str),
            f"used at {len(sizes)} sizes of input": len(sizes) != 1,
        }
        if (reason := next((reason for reason, holds in wrong.items() if holds), None)) is not None:
            return reason
        weights = prod(outputs(conv, *sizes)) * conv.weight.numel()
        too_many = weights > self.most_weights
        return f"{weights:,} weights, most_weights is {self.most_weights:,}" if too_many else None

    def replace(self, conv: Conv) -> nn.Module:
        (size,) = self.sizes[conv]
        return LocallyConnected(conv, size).train(conv.training)


def outputs(conv: Conv, size: tuple[int, ...]) -> list[int]:
    """The size of the output for an input of `size`, both without batch and channels."""
    axes = zip(size, conv.kernel_size, conv.stride, padding_of(conv), conv.dilation, strict=True)
    return [(n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in axes]


class LocallyConnected(nn.Module):
    """`weight` is (positions, channels in x taps, channels out), the last axis of each fastest.

    `bias`, if there is one, is (positions, 1, channels out).
    """

    def __init__(self, conv: Conv, size: tuple[int, ...]) -> None:
        super().__init__()
        like = place(conv)
        self.size, self.out = size, outputs(conv, size)
        self.kernel_size, self.stride, self.dilation = conv.kernel_size, conv.stride, conv.dilation
        self.padding = [p for p in reversed(padding_of(conv)) for _ in range(2)]
        self.padding_mode = "constant" if conv.padding_mode == "zeros" else conv.padding_mode
        positions, fan_in = prod(self.out), conv.weight[0].numel()
        self.weight = nn.Parameter(torch.empty(positions, fan_in, conv.out_channels, **like))
        self.bias = None
        if conv.bias is not None:
            self.bias = nn.Parameter(torch.zeros(positions, 1, conv.out_channels, **like))
        nn.init.normal_(self.weight, std=sqrt(2 / fan_in))  # He et al., fan-in

    def forward(self, x: Float[Tensor, "batch c_in *size"]) -> Float[Tensor, "batch c_out *out"]:
        """UserError for an input of another size than that which the layer was built for."""
        if tuple(x.shape[2:]) != self.size:
            raise UserError(
                f"a local layer built for inputs of {self.size} got {tuple(x.shape[2:])}"
            )
        y = self._patches(x) @ self.weight
        if self.bias is not None:
            y = y + self.bias
        return y.permute(1, 2, 0).unflatten(2, self.out).contiguous()

    def multiplications_beside(self, y: Tensor) -> int:
        return len(y) * self.weight.numel()

    def _patches(self, x: Tensor) -> Float[Tensor, "positions batch fan_in"]:
        x = F.pad(x, self.padding, mode=self.padding_mode)
        d = len(self.size)
        for axis, (k, s, gap) in enumerate(
            zip(self.kernel_size, self.stride, self.dilation, strict=True), start=2
        ):
            x = x.unfold(axis, gap * (k - 1) + 1, s)[..., ::gap]
        positions_first = x.permute(*range(2, 2 + d), 0, 1, *range(2 + d, 2 + 2 * d))
        return positions_first.flatten(0, d - 1).flatten(2)
