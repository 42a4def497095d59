"""torchvision's residual networks for images, from scratch and without their classifier.

Reference: He, Zhang, Ren and Sun, "Deep Residual Learning for Image Recognition", CVPR 2016,
https://arxiv.org/abs/1512.03385

The first convolution is built anew for the channels of the input. Parameter names are
torchvision's, so its checkpoints fit wherever the shapes do.
"""

from collections import OrderedDict
from typing import Any, ClassVar

from torch import nn
from torchvision import models


class ResNet18(nn.Sequential):
    """512 channels at stride 32."""

    DIMENSIONS: ClassVar[int] = 2

    def __init__(self, in_channels: int) -> None:
        super().__init__(_trunk(models.resnet18(weights=None), in_channels))
        self.out_channels = 512


class ResNet50(nn.Sequential):
    """2048 channels at stride 32."""

    DIMENSIONS: ClassVar[int] = 2

    def __init__(self, in_channels: int) -> None:
        super().__init__(_trunk(models.resnet50(weights=None), in_channels))
        self.out_channels = 2048


def _trunk(network: models.ResNet, in_channels: int) -> OrderedDict[str, nn.Module]:
    network.conv1 = for_channels(network.conv1, in_channels)
    children = network.named_children()
    return OrderedDict((name, child) for name, child in children if name not in ("avgpool", "fc"))


def for_channels(conv: Any, in_channels: int) -> Any:
    """The same convolution, for another number of input channels; initialised as torchvision's."""
    new = type(conv)(
        in_channels,
        conv.out_channels,
        conv.kernel_size,
        stride=conv.stride,
        padding=conv.padding,
        bias=conv.bias is not None,
    )
    nn.init.kaiming_normal_(new.weight, mode="fan_out", nonlinearity="relu")
    return new
