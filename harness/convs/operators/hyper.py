"""Hyper-convolution: the kernel is what a small network says at the coordinates of its taps.

Reference: Ma, Dalca and Sabuncu, "Hyper-Convolution Networks for Biomedical Image Segmentation",
WACV 2022, section 3, https://arxiv.org/abs/2105.10559, and the authors' code

K(dx, dy) = MLP(dx, dy), all pairs of channels at once, at coordinates in taps from the centre of
the kernel: 2 -> 16 -> 16 -> 4 -> C_in C_out, leaky ReLUs with slope 0.1 between. So the number of
parameters does not depend on the kernel's size. In three dimensions the coordinates are three.

He's initialisation of the last layer, as in the authors' code, makes responses grow with the size
of the kernel. Here the last layer is scaled until the kernel has the deviation that He et al. give
an ordinary one; its bias is drawn as its weights are, since with a bias of zero the tap in the
centre, at coordinates zero, would start as exactly zero.
"""

from dataclasses import dataclass
from itertools import pairwise, product
from math import prod, sqrt

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call

from harness.convs.geometry import Conv, place, remade
from harness.errors import UserError

SLOPE = 0.1
WIDEST = 4096


@dataclass(frozen=True, kw_only=True)
class Hyper:
    """Kernels said by a network of `hidden` widths; `normalise` brings coordinates to -1 ... 1."""

    hidden: tuple[int, ...] = (16, 16, 4)
    normalise: bool = False

    def __post_init__(self) -> None:
        if not self.hidden or min(self.hidden) < 1 or max(self.hidden) > WIDEST:
            given = list(self.hidden)
            raise UserError(f"hidden: needs one or more widths from 1 to {WIDEST}, got {given}")

    def refuses(self, conv: Conv) -> str | None:
        return f"kernel {conv.kernel_size}" if max(conv.kernel_size) == 1 else None

    def replace(self, conv: Conv) -> nn.Module:
        kernel = Kernel(conv, self.hidden, normalise=self.normalise)
        return HyperConv(conv, kernel).train(conv.training)


class HyperConv(nn.Module):
    """An ordinary convolution that is handed its weight, made anew, at each call.

    It has none of its own, so there is nothing to go stale, and whatever computes ordinary
    convolutions computes this one.
    """

    def __init__(self, conv: Conv, kernel: nn.Module) -> None:
        super().__init__()
        self.kernel = kernel
        self.conv = remade(conv)
        self.conv.register_parameter("weight", None)

    def forward(self, x: Float[Tensor, "batch c_in *size"]) -> Float[Tensor, "batch c_out *out"]:
        return functional_call(self.conv, {"weight": self.kernel()}, (x,))


class Kernel(nn.Module):
    """The network of the coordinates, and its values as the weight of a convolution like `conv`."""

    coordinates: Tensor

    def __init__(self, conv: Conv, hidden: tuple[int, ...], *, normalise: bool) -> None:
        super().__init__()
        like = place(conv)
        self.shape = conv.weight.shape
        grid = torch.tensor(coordinates(conv.kernel_size, normalise=normalise), **like)
        self.register_buffer("coordinates", grid, persistent=False)
        widths = (grid.shape[1], *hidden)
        self.hidden = nn.Sequential()
        for n_in, n_out in pairwise(widths):
            self.hidden.extend([nn.Linear(n_in, n_out, **like), nn.LeakyReLU(SLOPE)])
        self.last = nn.Linear(widths[-1], prod(self.shape[:2]), **like)
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        for layer in self.hidden:
            if isinstance(layer, nn.Linear):
                nn.init.kaiming_normal_(layer.weight, a=SLOPE, nonlinearity="leaky_relu")
                nn.init.zeros_(layer.bias)
        nn.init.normal_(self.last.weight, std=1 / sqrt(self.last.in_features))
        nn.init.normal_(self.last.bias)
        scale = sqrt(2 / prod(self.shape[1:])) / self().square().mean().sqrt()
        self.last.weight.mul_(scale)
        self.last.bias.mul_(scale)

    def forward(self) -> Float[Tensor, "c_out c_in_of_group *kernel"]:
        values = self.last(self.hidden(self.coordinates))
        return values.T.reshape(self.shape)

    def multiplications_beside(self, _weight: Tensor) -> int:
        """Once a call, whatever the batch."""
        layers = [m for m in self.modules() if isinstance(m, nn.Linear)]
        return len(self.coordinates) * sum(layer.weight.numel() for layer in layers)


def coordinates(kernel_size: tuple[int, ...], *, normalise: bool) -> list[tuple[float, ...]]:
    """Of each tap from the centre, the last axis fastest; half-integers where a side is even.

    >>> coordinates((1, 3), normalise=False)
    [(0.0, -1.0), (0.0, 0.0), (0.0, 1.0)]
    """
    axes = []
    for k in kernel_size:
        reach = (k - 1) / 2
        unit = reach if normalise and reach else 1
        axes.append([(i - reach) / unit for i in range(k)])
    return list(product(*axes))
