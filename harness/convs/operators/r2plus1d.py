"""R(2+1)D: a spatial convolution, then a temporal one, in place of each 3-D convolution.

Reference: Tran, Wang, Torresani, Ray, LeCun and Paluri, "A Closer Look at Spatiotemporal
Convolutions for Action Recognition", CVPR 2018, section 3.5, https://arxiv.org/abs/1711.11248

The number of channels between the two keeps the number of parameters. Unlike the paper's stem,
whose 45 channels are set by hand, the formula holds for every layer. The paper evaluates it for
each convolution, torchvision's `r2plus1d_18` once a block: `channels` chooses.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from torch import nn

from harness.convs.geometry import Conv, factor, norm_relu, unfactorable
from harness.convs.swap import convolutions
from harness.errors import UserError

IMAGE, TIME = (0, 1, 1), (1, 0, 0)


def mid_channels(in_channels: int, out_channels: int, *, t: int, d: int) -> int:
    """M = floor(t d^2 N' N / (d^2 N' + t N)): the parameters of a t x d x d convolution.

    >>> mid_channels(64, 64, t=3, d=3), mid_channels(64, 128, t=3, d=3)
    (144, 230)
    """
    full = t * d**2 * in_channels * out_channels
    return max(1, full // (d**2 * in_channels + t * out_channels))


def leaders(network: nn.Module) -> dict[Conv, Conv]:
    """The first convolution of the block that each one stands in.

    A block is the innermost module around it that is neither a plain `nn.Sequential` nor the whole
    network; a convolution outside of any is by itself.
    """
    first: dict[str, Conv] = {}
    leader: dict[Conv, Conv] = {}
    for path, conv in convolutions(network).items():
        block = path
        while (block := block.rpartition(".")[0]) and _plain(network.get_submodule(block)):
            pass
        leader.setdefault(conv, first.setdefault(block or path, conv))
    return leader


def _plain(module: nn.Module) -> bool:
    return type(module) is nn.Sequential


@dataclass(kw_only=True)
class R2Plus1d:
    """(1, d, d) to M channels, batch normalisation, ReLU, (t, 1, 1).

    `channels` says which channels give M: those of each convolution, or, in a whole block of a
    residual network, those of the block's first one.
    """

    channels: Literal["convolution", "block"] = "convolution"
    leaders: dict[Conv, Conv] = field(default_factory=dict, init=False, repr=False)

    def survey(self, network: nn.Module, _size: Sequence[int]) -> None:
        """UserError if there are no blocks, but they are to decide."""
        if self.channels == "block":
            self.leaders = leaders(network)
            if all(conv is leader for conv, leader in self.leaders.items()):
                raise UserError("r2plus1d.channels: block, but no two convolutions share a block")

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
        leader = self.leaders.get(conv, conv)
        m = mid_channels(leader.in_channels, leader.out_channels, t=t, d=d)
        bias = conv.bias is not None
        spatial = factor(conv, conv.in_channels, m, along=IMAGE, strided=IMAGE)
        temporal = factor(conv, m, conv.out_channels, along=TIME, strided=TIME, bias=bias)
        steps = OrderedDict(spatial=spatial, between=norm_relu(spatial), temporal=temporal)
        return nn.Sequential(steps).train(conv.training)
