"""Depthwise separable convolution: each channel by itself, then all channels at each position.

Reference: Howard et al., "MobileNets: Efficient Convolutional Neural Networks for Mobile Vision
Applications", 2017, section 3.1, https://arxiv.org/abs/1704.04861

As in the paper, batch normalisation and a ReLU stand between the two, and the first layer stays a
full convolution. In three dimensions the kernel of each channel is the whole k x k x k.
"""

from collections import OrderedDict
from dataclasses import dataclass

from torch import nn

from harness.convs.geometry import Conv, norm_relu, pointwise, remade
from harness.convs.operators.after_first import AfterFirst


@dataclass(kw_only=True)
class DepthwiseSeparable(AfterFirst):
    """Depthwise with the geometry it replaces, batch normalisation, ReLU, pointwise."""

    def replace(self, conv: Conv) -> nn.Module:
        c_in = conv.in_channels
        depthwise = remade(conv, out_channels=c_in, groups=c_in, bias=False)
        steps = OrderedDict[str, nn.Module](
            depthwise=depthwise,
            between=norm_relu(depthwise),
            pointwise=pointwise(conv, c_in, conv.out_channels),
        )
        return nn.Sequential(steps).train(conv.training)
