"""Convolutions as PyTorch computes them: the operator and the algorithm that change nothing."""

from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from harness.convs.geometry import Conv


@dataclass(frozen=True)
class Standard:
    """Leaves every convolution as it is."""

    kernel: ClassVar[str] = "torch"

    def refuses(self, _conv: Conv) -> str | None:
        return "already standard"

    def replace(self, conv: Conv) -> nn.Module:
        return conv
