"""Convolutions that are computed by a function, whatever the algorithm."""

from collections.abc import Callable
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from harness.convs.geometry import Conv, like

Compute = Callable[[Tensor, Any], Tensor]  # of an input and the convolution


class ComputedConv2d(nn.Conv2d):
    """`nn.Conv2d` by `compute`."""

    compute: Compute

    def forward(
        self, input: Float[Tensor, "batch c_in *size"]
    ) -> Float[Tensor, "batch c_out *out"]:
        return self.compute(input, self)


class ComputedConv3d(nn.Conv3d):
    """`nn.Conv3d` by `compute`."""

    compute: Compute

    def forward(
        self, input: Float[Tensor, "batch c_in *size"]
    ) -> Float[Tensor, "batch c_out *out"]:
        return self.compute(input, self)


def computed(conv: Conv, compute: Compute) -> nn.Module:
    """The convolution with the parameters of `conv` whose output is `compute(input, itself)`."""
    kind: type[ComputedConv2d | ComputedConv3d]
    kind = ComputedConv2d if isinstance(conv, nn.Conv2d) else ComputedConv3d
    new = like(conv, kind)
    new.compute = compute
    return new
