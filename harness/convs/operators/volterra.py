"""Second-order Volterra convolution: products of two values of a patch, beside the linear part.

References: Li, Zhou, Qiu and Zhao, "Understanding Convolutional Neural Networks from Theoretical
Perspective via Volterra Convolution", JMLR 2022, https://arxiv.org/abs/2110.09902 (the series);
Roheda and Krim, "Conquering the CNN Over-Parameterization Dilemma: A Volterra Filtering Approach
for Action Recognition", AAAI 2020, https://arxiv.org/abs/1910.09616 (low rank, in two streams)

    y = h0 + sum_i h1[i] v[i] + gate * sum_{i <= j} h2[i, j] v[i] v[j],    v: the values of a patch

Products of two sums have heavy tails: the quadratic part starts small, is normalised over the
batch, and a learned gate lets it in. The second paper keeps no other non-linearity; here the
network's own stay. The linear part is the convolution that was there, with its initialisation.
"""

from copy import deepcopy
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from harness.convs.geometry import Conv, place, pointwise, remade
from harness.convs.patches import Window
from harness.errors import UserError

GAIN, GATE = 0.01, 1e-4  # at the start: of Xavier's initialisation, and of the whole part
LARGEST_RANK = 1024  # more than the values of most patches
MOST_PRODUCTS = 4096  # of a patch in full; 3 channels of 3 x 3 x 3 make 3321


@dataclass(frozen=True, kw_only=True)
class Volterra:
    """Which products there are, and whether their sum is normalised over the batch.

    - "full": all of a patch, for a few input channels only;
    - "depthwise": those within a channel, one quadratic form for each, then a 1 x 1 convolution;
    - "low_rank": sum over q <= `rank` (2 unless given) of (A_q * x) (B_q * x).
    """

    form: Literal["full", "depthwise", "low_rank"] = "low_rank"
    rank: int | None = None
    norm: Literal["batch", "none"] = "batch"

    def __post_init__(self) -> None:
        if self.rank is None:
            return
        if self.form != "low_rank":
            raise UserError(f"rank: belongs to the form low_rank, not to {self.form}")
        if not 1 <= self.rank <= LARGEST_RANK:
            raise UserError(f"rank: must be from 1 to {LARGEST_RANK}, got {self.rank}")

    def refuses(self, conv: Conv) -> str | None:
        count = products(conv.weight[0].numel())
        wrong = {
            f"groups {conv.groups}": conv.groups != 1,
            f"padding {conv.padding!r}": isinstance(conv.padding, str),
            f"kernel {conv.kernel_size}": max(conv.kernel_size) == 1,
            f"{conv.in_channels} input channels make {count} products, more than {MOST_PRODUCTS}": (
                self.form == "full" and count > MOST_PRODUCTS
            ),
        }
        return next((reason for reason, holds in wrong.items() if holds), None)

    def replace(self, conv: Conv) -> nn.Module:
        quadratic: nn.Module
        if self.form == "low_rank":
            quadratic = LowRank(conv, self.rank or 2)
        else:
            quadratic = Full(conv) if self.form == "full" else Depthwise(conv)
        norm: nn.Module = nn.Identity()
        if self.norm == "batch":
            kind = nn.BatchNorm2d if isinstance(conv, nn.Conv2d) else nn.BatchNorm3d
            norm = kind(conv.out_channels, affine=False, **place(conv))
        return SecondOrder(conv, quadratic, norm).train(conv.training)


class SecondOrder(nn.Module):
    """A convolution and, behind a gate, a part that does not change with the sign of its input."""

    def __init__(self, conv: Conv, quadratic: nn.Module, norm: nn.Module) -> None:
        super().__init__()
        self.linear, self.quadratic, self.norm = deepcopy(conv), quadratic, norm
        self.gate = nn.Parameter(torch.tensor(GATE, **place(conv)))

    def forward(self, x: Float[Tensor, "batch c_in *size"]) -> Float[Tensor, "batch c_out *out"]:
        return self.linear(x) + self.gate * self.norm(self.quadratic(x))


class LowRank(nn.Module):
    """sum over q <= rank of (A_q * x) (B_q * x): all of A and B are one convolution."""

    def __init__(self, conv: Conv, rank: int) -> None:
        super().__init__()
        self.rank = rank
        self.factors = remade(conv, out_channels=2 * rank * conv.out_channels, bias=False)
        nn.init.xavier_normal_(self.factors.weight, GAIN)

    def forward(self, x: Float[Tensor, "batch c_in *size"]) -> Float[Tensor, "batch c_out *out"]:
        a, b = self.factors(x).chunk(2, dim=1)
        return (a * b).unflatten(1, (self.rank, -1)).sum(1)

    def multiplications_beside(self, y: Tensor) -> int:
        return self.rank * y.numel()


class Full(nn.Module):
    """All products of two values of a patch, the coefficient of i < j standing for both orders."""

    def __init__(self, conv: Conv) -> None:
        super().__init__()
        self.window = Window.of(conv)
        count = products(conv.weight[0].numel())
        self.form = pointwise(conv, count, conv.out_channels, bias=False)
        nn.init.xavier_normal_(self.form.weight, GAIN)

    def forward(self, x: Float[Tensor, "batch c_in *size"]) -> Float[Tensor, "batch c_out *out"]:
        axes = x.dim() - 2
        v = self.window.patches(x).flatten(-axes).movedim(-1, 2).flatten(1, 2)  # values first
        i, j = torch.triu_indices(v.shape[1], v.shape[1], device=x.device)
        return self.form(v[:, i] * v[:, j])

    def multiplications_beside(self, y: Tensor) -> int:
        return self.form.in_channels * y[:, 0].numel()


class Depthwise(nn.Module):
    """A quadratic form in each channel, and a 1 x 1 convolution that mixes them.

    Memory is that of two maps for each tap, for products are not written out.
    """

    def __init__(self, conv: Conv) -> None:
        super().__init__()
        self.window, self.taps = Window.of(conv), conv.weight[0, 0].numel()
        packed = torch.empty(conv.in_channels, products(self.taps), **place(conv))
        self.packed = nn.Parameter(nn.init.xavier_normal_(packed, GAIN))
        self.mix = pointwise(conv, conv.in_channels, conv.out_channels, bias=False)

    def forward(self, x: Float[Tensor, "batch c_in *size"]) -> Float[Tensor, "batch c_out *out"]:
        axes = x.dim() - 2
        v = self.window.patches(x).flatten(-axes)  # batch, channels, *out, taps
        rows = v.flatten(2, -2)
        forms = ((rows @ self._triangle()) * rows).sum(-1)
        return self.mix(forms.view(v.shape[:-1]))

    def multiplications_beside(self, y: Tensor) -> int:
        """Half of those by the triangle are with zeros, which a matrix product does not skip."""
        return self.mix.in_channels * self.taps * (self.taps + 1) * y[:, 0].numel()

    def _triangle(self) -> Float[Tensor, "channels taps taps"]:
        """Upper triangular matrices: the coefficients of i < j stand for both orders."""
        i, j = torch.triu_indices(self.taps, self.taps, device=self.packed.device)
        square = self.packed.new_zeros(len(self.packed), self.taps**2)
        return square.index_copy(1, i * self.taps + j, self.packed).unflatten(1, (self.taps, -1))


def products(values: int) -> int:
    """How many different products of two of them there are.

    >>> products(9), products(25), products(49)
    (45, 325, 1225)
    """
    return values * (values + 1) // 2
