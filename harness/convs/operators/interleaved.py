"""IGCV1: two grouped convolutions whose groups cross, in place of each convolution.

Reference: Zhang, Qi, Xiao and Wang, "Interleaved Group Convolutions for Deep Neural Networks",
ICCV 2017, section 3.1, https://arxiv.org/abs/1707.02725

x' = P W_d P^T W_p x. The primary convolution W_p has L groups of M channels and the whole kernel;
P interleaves, so that the secondary one, W_d, of one tap, has M groups of L channels, one from each
primary group. As in the authors' code, nothing stands between the two, stride is the primary
one's, and the first layer stays as it is.

The paper chooses L and M freely and L M becomes the width. Here the network gives the width, so
L M is the number of output channels. Where the input has another number, the primary convolution
changes it, and the secondary one has M = C_out / L groups, where the authors' code keeps C_in / L.
"""

from dataclasses import dataclass
from math import gcd

from jaxtyping import Float
from torch import Tensor, nn

from harness.convs.geometry import Conv, pointwise, remade
from harness.convs.operators.after_first import AfterFirst
from harness.errors import UserError


def primary_groups(in_channels: int, out_channels: int, *, channels: int) -> int:
    """The largest L that divides both and leaves at least `channels` output channels a group.

    >>> primary_groups(64, 64, channels=2), primary_groups(64, 192, channels=2)
    (32, 64)
    """
    common = gcd(in_channels, out_channels)
    fits = (n for n in range(common, 1, -1) if common % n == 0 and out_channels // n >= channels)
    return next(fits, 1)


@dataclass(kw_only=True)
class Interleaved(AfterFirst):
    """L primary groups of M output channels each, then M secondary groups of L.

    Give L (`primary`), or the least M (`secondary`; 2 if neither is given, the best in the paper's
    table): L is then as large as the channels can be divided. L = 1 is a full convolution whose
    channels are scaled, M = 1 a depthwise convolution followed by a full one of one tap.
    """

    primary: int | None = None
    secondary: int | None = None

    def __post_init__(self) -> None:
        if self.primary is not None and self.secondary is not None:
            raise UserError("secondary: follows from primary and the channels; give one of them")
        for name, given in (("primary", self.primary), ("secondary", self.secondary)):
            if given is not None and given < 1:
                raise UserError(f"{name}: must be at least 1, got {given}")

    def refuses(self, conv: Conv) -> str | None:
        if (reason := super().refuses(conv)) is not None:
            return reason
        c_in, c_out, groups = conv.in_channels, conv.out_channels, self._primary(conv)
        if c_in % groups or c_out % groups or (self.primary is None and groups == 1):
            asked = self.primary or "two or more"
            return f"{c_in} to {c_out} channels in {asked} primary groups"
        return None

    def replace(self, conv: Conv) -> nn.Module:
        return InterleavedConv(conv, primary=self._primary(conv)).train(conv.training)

    def _primary(self, conv: Conv) -> int:
        if self.primary is not None:
            return self.primary
        least = 2 if self.secondary is None else self.secondary
        return primary_groups(conv.in_channels, conv.out_channels, channels=least)


class InterleavedConv(nn.Module):
    """A grouped convolution, a permutation, a pointwise grouped convolution, and back."""

    def __init__(self, conv: Conv, *, primary: int) -> None:
        super().__init__()
        c_out = conv.out_channels
        self.primary = remade(conv, groups=primary, bias=False)
        self.secondary = pointwise(conv, c_out, c_out, groups=c_out // primary)

    def forward(self, x: Float[Tensor, "batch c_in *size"]) -> Float[Tensor, "batch c_out *out"]:
        x = interleave(self.primary(x), self.primary.groups)
        return interleave(self.secondary(x), self.secondary.groups)


def interleave(
    x: Float[Tensor, "batch channels *size"], groups: int
) -> Float[Tensor, "batch channels *size"]:
    """The first channel of each group, then the second of each, and so on."""
    return x.unflatten(1, (groups, -1)).transpose(1, 2).flatten(1, 2)
