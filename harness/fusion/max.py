"""Max fusion: the larger of the two maps, value by value.

Reference: Feichtenhofer, Pinz and Zisserman, "Convolutional Two-Stream Network Fusion for Video
Action Recognition", CVPR 2016, section 3.1, equation 2, https://arxiv.org/abs/1604.06573
"""

from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from harness.fusion.sum import equal_channels


class Max(nn.Module):
    """The maximum of two maps of equal channels."""

    LEVEL: ClassVar[str] = "map"

    def __init__(self, spatial_channels: int, temporal_channels: int, _dimensions: int) -> None:
        super().__init__()
        self.out_channels = equal_channels("max", spatial_channels, temporal_channels)

    def forward(
        self, spatial: Float[Tensor, "batch c *size"], temporal: Float[Tensor, "batch c *size"]
    ) -> Float[Tensor, "batch c *size"]:
        return torch.maximum(spatial, temporal)
