"""FAST-3D: three planar convolutions, XY, XT and YT in turn, in place of each 3-D convolution.

Reference: Stergiou and Poppe, "Spatio-Temporal FAST 3D Convolutions for Human Action
Recognition", ICMLA 2019, section III, https://arxiv.org/abs/1909.13474

This is the sequential form. The paper does not say where normalisation stands: as in R(2+1)D, it
stands between the convolutions, and what follows the last is the network's own. With as many
channels in as out, 3 x 3 x 3 kernels keep their parameters, and the receptive field grows to 5.
"""

from collections import OrderedDict
from dataclasses import dataclass
from math import isqrt
from typing import Literal

from torch import nn

from harness.convs.geometry import Conv, factor, norm_relu, unfactorable

XY, XT, YT, TIME = (0, 1, 1), (1, 0, 1), (1, 1, 0), (1, 0, 0)


def matched_channels(in_channels: int, out_channels: int, *, k: int) -> int:
    """The M that solves k^2 (N' M + M^2 + M N) = k^3 N' N, rounded down.

    >>> matched_channels(64, 64, k=3), matched_channels(64, 128, k=3)
    (64, 87)
    """
    ends = in_channels + out_channels
    root = isqrt(ends**2 + 4 * k * in_channels * out_channels)
    return max(1, (root - ends) // 2)


def no_odd_cube(conv: Conv) -> str | None:
    """Why the kernel cannot be cut into three planes, or None."""
    k = conv.kernel_size[0]
    if (reason := unfactorable(conv)) is not None:
        return reason
    cubic = set(conv.kernel_size) == {k}
    return None if cubic and k % 2 == 1 and k > 1 else f"kernel {conv.kernel_size}"


@dataclass(frozen=True, kw_only=True)
class Fast3d:
    """(1, k, k), (k, 1, k), (k, k, 1), with batch normalisation and a ReLU between them.

    `width` is that of the two inner maps: "paper" changes channels in the first convolution,
    "matched" keeps the parameters of the convolution that is replaced.
    """

    width: Literal["paper", "matched"] = "paper"

    def refuses(self, conv: Conv) -> str | None:
        return no_odd_cube(conv)

    def replace(self, conv: Conv) -> nn.Module:
        assert isinstance(conv, nn.Conv3d)
        c_in, c_out, k = conv.in_channels, conv.out_channels, conv.kernel_size[0]
        m = c_out if self.width == "paper" else matched_channels(c_in, c_out, k=k)
        xy = factor(conv, c_in, m, along=XY, strided=XY)
        xt = factor(conv, m, m, along=XT, strided=TIME)
        yt = factor(conv, m, c_out, along=YT, bias=conv.bias is not None)
        steps = OrderedDict(xy=xy, after_xy=norm_relu(xy), xt=xt, after_xt=norm_relu(xt), yt=yt)
        return nn.Sequential(steps).train(conv.training)
