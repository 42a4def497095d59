"""Concatenation fusion: the channels of both maps, the spatial ones first.

Reference: Feichtenhofer, Pinz and Zisserman, "Convolutional Two-Stream Network Fusion for Video
Action Recognition", CVPR 2016, section 3.1, equation 3, https://arxiv.org/abs/1604.06573. The paper
interleaves the channels; for what follows, a learned layer, the order is the same.
"""

from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn


class Concat(nn.Module):
    """Two maps stacked; how they correspond is left to the layers above."""

    LEVEL: ClassVar[str] = "map"

    def __init__(self, spatial_channels: int, temporal_channels: int, _dimensions: int) -> None:
        super().__init__()
        self.out_channels = spatial_channels + temporal_channels

    def forward(
        self, spatial: Float[Tensor, "batch c_s *size"], temporal: Float[Tensor, "batch c_t *size"]
    ) -> Float[Tensor, "batch c_out *size"]:
        return torch.cat([spatial, temporal], dim=1)
