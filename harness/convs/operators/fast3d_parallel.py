"""FAST-3D, parallel: a spatial convolution, then XT and YT side by side, in place of a 3-D one.

Reference: Stergiou and Poppe, "Spatio-Temporal FAST 3D Convolutions for Human Action
Recognition", ICMLA 2019, section III, https://arxiv.org/abs/1909.13474

The paper does not say how the two are joined; we sum them. It does not say where normalisation
stands either: here after the first convolution, and what follows the sum is the network's own.
With as many channels in as out, 3 x 3 x 3 kernels keep their parameters if joined by the sum. The
receptive field is 3 frames of 5 rows and 5 columns without their corners.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from harness.convs.geometry import Conv, factor, norm_relu
from harness.convs.operators.fast3d import TIME, XT, XY, YT, no_odd_cube


def matched_channels(in_channels: int, out_channels: int, *, k: int, branches: int) -> int:
    """The M that solves k^2 (N' M + branches M N) = k^3 N' N, rounded down.

    >>> matched_channels(64, 64, k=3, branches=2), matched_channels(64, 128, k=3, branches=2)
    (64, 76)
    """
    return max(1, k * in_channels * out_channels // (in_channels + branches * out_channels))


@dataclass(frozen=True, kw_only=True)
class Fast3dParallel:
    """(1, k, k), batch normalisation, ReLU, then (k, 1, k) and (k, k, 1) side by side.

    `join` adds the two, or lets each give half of the channels. `width` is that of the map before
    them: "paper" changes channels in the first convolution, "matched" keeps the parameters.
    """

    width: Literal["paper", "matched"] = "paper"
    join: Literal["sum", "concat"] = "sum"

    def refuses(self, conv: Conv) -> str | None:
        if (reason := no_odd_cube(conv)) is not None:
            return reason
        return "1 channel" if self.join == "concat" and conv.out_channels == 1 else None

    def replace(self, conv: Conv) -> nn.Module:
        assert isinstance(conv, nn.Conv3d)
        c_in, c_out, k = conv.in_channels, conv.out_channels, conv.kernel_size[0]
        both = self.join == "sum"
        m = c_out
        if self.width == "matched":
            m = matched_channels(c_in, c_out, k=k, branches=2 if both else 1)
        biased = conv.bias is not None
        xy = factor(conv, c_in, m, along=XY, strided=XY)
        horizontal, vertical = (c_out, c_out) if both else (c_out - c_out // 2, c_out // 2)
        xt = factor(conv, m, horizontal, along=XT, strided=TIME, bias=biased and not both)
        yt = factor(conv, m, vertical, along=YT, strided=TIME, bias=biased)
        return Parallel(xy, xt, yt, join=self.join).train(conv.training)


class Parallel(nn.Module):
    """S2(h) and S3(h) with h = ReLU(BN(S1 x)), added or side by side."""

    def __init__(self, xy: Conv, xt: Conv, yt: Conv, *, join: Literal["sum", "concat"]) -> None:
        super().__init__()
        self.xy, self.after_xy, self.xt, self.yt = xy, norm_relu(xy), xt, yt
        self.join = join

    def forward(
        self, x: Float[Tensor, "batch c_in frames height width"]
    ) -> Float[Tensor, "batch c_out frames_out height_out width_out"]:
        x = self.after_xy(self.xy(x))
        across, down = self.xt(x), self.yt(x)
        return across + down if self.join == "sum" else torch.cat([across, down], dim=1)
