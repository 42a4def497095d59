"""Sum fusion: the two maps added, channel by channel.

Reference: Feichtenhofer, Pinz and Zisserman, "Convolutional Two-Stream Network Fusion for Video
Action Recognition", CVPR 2016, section 3.1, equation 1, https://arxiv.org/abs/1604.06573
"""

from typing import ClassVar

from jaxtyping import Float
from torch import Tensor, nn

from harness.errors import UserError


class Sum(nn.Module):
    """The sum of two maps of equal channels."""

    LEVEL: ClassVar[str] = "map"

    def __init__(self, spatial_channels: int, temporal_channels: int, _dimensions: int) -> None:
        super().__init__()
        self.out_channels = equal_channels("sum", spatial_channels, temporal_channels)

    def forward(
        self, spatial: Float[Tensor, "batch c *size"], temporal: Float[Tensor, "batch c *size"]
    ) -> Float[Tensor, "batch c *size"]:
        return spatial + temporal


def equal_channels(fusion: str, spatial: int, temporal: int) -> int:
    """The channels of both streams; UserError if they differ."""
    if spatial != temporal:
        raise UserError(
            f"fusion {fusion!r} needs as many channels in both streams, got {spatial} (spatial) "
            f"and {temporal} (temporal); 'concat' and 'conv' take any"
        )
    return spatial
