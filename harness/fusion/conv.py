"""Convolution fusion: both maps stacked, then mixed by learned filters.

Reference: Feichtenhofer, Pinz and Zisserman, "Convolutional Two-Stream Network Fusion for Video
Action Recognition", CVPR 2016, sections 3.1 (equation 4) and 4.2, https://arxiv.org/abs/1604.06573

As in the paper, the filters start as two stacked identities, so that training sets out from the
sum of the streams. Larger kernels start as that too, without the paper's Gaussian.
"""

from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from harness.errors import UserError


class ConvFusion(nn.Module):
    """A convolution to the spatial stream's channels, and a ReLU.

    Where the temporal stream has fewer or more channels, its identity covers those it shares.
    """

    LEVEL: ClassVar[str] = "map"

    def __init__(
        self,
        spatial_channels: int,
        temporal_channels: int,
        dimensions: int,
        *,
        kernel_size: int = 1,
    ) -> None:
        super().__init__()
        if kernel_size < 1 or kernel_size % 2 == 0:
            raise UserError(f"kernel_size: must be odd, got {kernel_size}")
        self.out_channels = spatial_channels
        conv = {2: nn.Conv2d, 3: nn.Conv3d}[dimensions]
        channels = spatial_channels + temporal_channels
        self.mix = conv(channels, spatial_channels, kernel_size, padding=kernel_size // 2)
        with torch.no_grad():
            for stream in self.mix.weight.split([spatial_channels, temporal_channels], dim=1):
                nn.init.dirac_(stream)
        assert self.mix.bias is not None
        nn.init.zeros_(self.mix.bias)

    def forward(
        self, spatial: Float[Tensor, "batch c_s *size"], temporal: Float[Tensor, "batch c_t *size"]
    ) -> Float[Tensor, "batch c_s *size"]:
        return self.mix(torch.cat([spatial, temporal], dim=1)).relu()
