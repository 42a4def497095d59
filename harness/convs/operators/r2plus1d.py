"""R(2+1)D: a spatial convolution, then a temporal one, in place of each 3-D convolution.

Reference: Tran, Wang, Torresani, Ray, LeCun and Paluri, "A Closer Look at Spatiotemporal
Convolutions for Action Recognition", CVPR 2018, section 3.5, https://arxiv.org/abs/1711.11248

The number of channels between the two keeps the number of parameters. Unlike the paper's stem,
whose 45 channels are set by hand, the formula holds for every layer; unlike torchvision's
`r2plus1d_18`, it is evaluated for each convolution, not once a block.
"""

from collections import OrderedDict
from dataclasses import dataclass

from torch import nn

from harness.convs.geometry import Conv, factor, norm_relu, unfactorable

IMAGE, TIME = (0, 1, 1), (1, 0, 0)


def mid_channels(in_channels: int, out_channels: int, *, t: int, d: int) -> int:
    """M = floor(t d^2 N' N / (d^2 N' + t N)): the parameters of a t x d x d convolution.

    >>> mid_channels(64, 64, t=3, d=3), mid_channels(64, 128, t=3, d=3)
    (144, 230)
    """
    full = t * d**2 * in_channels * out_channels
    return max(1, full // (d**2 * in_channels + t * out_channels))


@dataclass(frozen=True)
class R2Plus1d:
    """(1, d, d) to M channels, batch normalisation, ReLU, (t, 1, 1)."""

    def refuses(self, conv: Conv) -> str | None:
        t, *plane = conv.kernel_size
        if (reason := unfactorable(conv)) is not None:
            return reason
        if t == 1 or plane[0] != plane[1] or plane[0] == 1:
            return f"kernel {conv.kernel_size}"
        return None

    def replace(self, conv: Conv) -> nn.Module:
        assert isinstance(conv, nn.Conv3d)
        t, d, _ = conv.kernel_size
        m = mid_channels(conv.in_channels, conv.out_channels, t=t, d=d)
        bias = conv.bias is not None
        spatial = factor(conv, conv.in_channels, m, along=IMAGE, strided=IMAGE)
        temporal = factor(conv, m, conv.out_channels, along=TIME, strided=TIME, bias=bias)
        steps = OrderedDict(spatial=spatial, between=norm_relu(spatial), temporal=temporal)
        return nn.Sequential(steps).train(conv.training)
