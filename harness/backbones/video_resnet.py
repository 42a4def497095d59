"""torchvision's residual network for clips, from scratch and without its classifier.

Reference: Tran, Wang, Torresani, Ray, LeCun and Paluri, "A Closer Look at Spatiotemporal
Convolutions for Action Recognition", CVPR 2018, https://arxiv.org/abs/1711.11248

The stem is built anew for the channels of the input. Parameter names are torchvision's.
"""

from collections import OrderedDict
from typing import ClassVar

from torch import nn
from torchvision.models import video

from harness.backbones.resnet import for_channels


class R3d18(nn.Sequential):
    """3 x 3 x 3 convolutions throughout: 512 channels at stride 16, and 8 in time."""

    DIMENSIONS: ClassVar[int] = 3

    def __init__(self, in_channels: int) -> None:
        network = video.r3d_18(weights=None)
        network.stem[0] = for_channels(network.stem[0], in_channels)
        names = ("stem", "layer1", "layer2", "layer3", "layer4")
        super().__init__(OrderedDict((name, network.get_submodule(name)) for name in names))
        self.out_channels = 512
