"""Small plain networks that train on a CPU in minutes, at 32 to 64 pixels.

Our own: `depth` stages of a 3 x 3 [x 3] convolution without bias, batch normalisation and a ReLU;
stage i (from 0) has `width` * 2^i channels. All convolutions but one have stride 1. Initialised by
He et al., fan-out, as torchvision's residual networks are.
"""

from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from harness.errors import UserError


class Tiny2d(nn.Sequential):
    """Images; max pooling halves the map between stages: stride 2^(depth - 1)."""

    DIMENSIONS: ClassVar[int] = 2

    def __init__(self, in_channels: int, *, width: int = 16, depth: int = 3) -> None:
        super().__init__()
        for i, channels in enumerate(_widths(width, depth)):
            if i > 0:
                self.append(nn.MaxPool2d(2, ceil_mode=True))
            conv = nn.Conv2d(in_channels, channels, kernel_size=3, padding=1, bias=False)
            self.extend([_initialised(conv), nn.BatchNorm2d(channels), nn.ReLU(inplace=True)])
            in_channels = channels
        self.out_channels = in_channels


class Tiny3d(nn.Sequential):
    """Clips; frames are halved between stages, the image first by the first stage's stride.

    From the third stage on max pooling halves the image, so that it is halved `depth` - 1 times in
    all (once if `depth` is 1). The early stride keeps a clip within a few milliseconds.
    """

    DIMENSIONS: ClassVar[int] = 3

    def __init__(self, in_channels: int, *, width: int = 16, depth: int = 3) -> None:
        super().__init__()
        for i, channels in enumerate(_widths(width, depth)):
            if i > 0:
                self.append(HalveClip(image=i > 1))
            stride = (1, 1, 1) if i > 0 else (1, 2, 2)
            conv = nn.Conv3d(in_channels, channels, 3, stride=stride, padding=1, bias=False)
            self.extend([_initialised(conv), nn.BatchNorm3d(channels), nn.ReLU(inplace=True)])
            in_channels = channels
        self.out_channels = in_channels


class HalveClip(nn.Module):
    """The mean of each two frames, then max pooling of the image; an odd one out stands alone.

    `nn.MaxPool3d` and `nn.AvgPool3d` have no deterministic backward pass on a GPU; these have.
    """

    def __init__(self, *, image: bool) -> None:
        super().__init__()
        self.image = image

    def forward(
        self, clip: Float[Tensor, "batch channels frames height width"]
    ) -> Float[Tensor, "batch channels half_frames half_height half_width"]:
        pairs = [pair.mean(dim=2) for pair in clip.split(2, dim=2)]
        if self.image:
            pairs = [F.max_pool2d(frame, 2, ceil_mode=True) for frame in pairs]
        return torch.stack(pairs, dim=2)


def _widths(width: int, depth: int) -> list[int]:
    for name, given in (("width", width), ("depth", depth)):
        if given < 1:
            raise UserError(f"{name}: must be at least 1, got {given}")
    return [width * 2**i for i in range(depth)]


def _initialised(conv: nn.Conv2d | nn.Conv3d) -> nn.Conv2d | nn.Conv3d:
    nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
    return conv
