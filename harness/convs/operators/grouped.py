"""Grouped convolution: channels in groups that do not see each other.

Reference: Krizhevsky, Sutskever and Hinton, "ImageNet Classification with Deep Convolutional
Neural Networks", NIPS 2012, section 3.5, whose second, fourth and fifth layers have two groups.

A control for `interleaved`, which is this and a way between the groups.
"""

from dataclasses import dataclass

from torch import nn

from harness.convs.geometry import Conv, remade
from harness.convs.operators.after_first import AfterFirst
from harness.errors import UserError


@dataclass(kw_only=True)
class Grouped(AfterFirst):
    """The same convolution in `groups` groups: that many times fewer weights."""

    groups: int = 2

    def __post_init__(self) -> None:
        if self.groups < 2:
            raise UserError(f"groups: must be at least 2, got {self.groups}")

    def refuses(self, conv: Conv) -> str | None:
        if (reason := super().refuses(conv)) is not None:
            return reason
        ends = conv.in_channels, conv.out_channels
        uneven = any(channels % self.groups for channels in ends)
        return f"{ends[0]} to {ends[1]} channels in {self.groups} groups" if uneven else None

    def replace(self, conv: Conv) -> nn.Module:
        return remade(conv, groups=self.groups)
