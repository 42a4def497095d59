"""Convolutions that are computed by a function, whatever the algorithm."""

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from harness.convs.geometry import Conv, like, must_fit, output_size

Compute = Callable[[Tensor, Any], Tensor]  # of an input and the convolution
Count = Callable[[Any, Sequence[int]], int]  # of the convolution and the lengths of its input


def every_tap(conv: Conv, size: Sequence[int]) -> int:
    """Multiplications of one sample where each output is a sum over all taps and channels."""
    return prod(output_size(conv, size)) * conv.weight.numel()


class Computed(nn.Module):
    """What the convolutions on two and on three axes share: `compute` is how, `count` its work."""

    compute: Compute
    count: Count

    def forward(self, input: Float[Tensor, "*batch_c_in_size"]) -> Tensor:
        assert isinstance(self, nn.Conv2d | nn.Conv3d)
        must_fit(self, input)
        if input.dim() == len(self.kernel_size) + 1:  # without a batch, as PyTorch allows
            return self.compute(input.unsqueeze(0), self).squeeze(0)
        return self.compute(input, self)

    def multiplications(self, size: Sequence[int]) -> int:
        """Of one sample with axes of these lengths."""
        return self.count(self, size)


class ComputedConv2d(Computed, nn.Conv2d):
    """`nn.Conv2d` by `compute`."""


class ComputedConv3d(Computed, nn.Conv3d):
    """`nn.Conv3d` by `compute`."""


def computed(conv: Conv, compute: Compute, count: Count = every_tap) -> nn.Module:
    """The convolution with the parameters of `conv` whose output is `compute(input, itself)`."""
    kind: type[ComputedConv2d | ComputedConv3d]
    kind = ComputedConv2d if isinstance(conv, nn.Conv2d) else ComputedConv3d
    new = like(conv, kind)
    new.compute, new.count = compute, count
    return new
