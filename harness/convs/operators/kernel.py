"""Convolutional kernel networks: each patch, mapped to the space of a kernel, seen from landmarks.

References: Jones, Roulet and Harchaoui, "Kernel-based Translations of Convolutional Networks",
2019, sections 2 and 3, https://arxiv.org/abs/1903.08131, and the authors' code; Mairal, "End-to-End
Kernel Learning with Supervised Convolutional Kernel Networks", NIPS 2016, section 3,
https://arxiv.org/abs/1605.06265

    y = |x| (k(W, W) + ridge I)^(-1/2) k(W, x / |x|),    k(w, x) = exp((<w, x> - 1) / sigma^2)

for every patch x, with unit filters W: Nystroem's approximation. A bias has no place in it.
<w, x> is an ordinary convolution and |x| a sum along each axis: patches are never written out.
Here W is trained by the network's optimiser, the filters being normalised whenever they are used;
the paper's way to train the same layer, ultimate layer reversal and a step on the sphere, is left
out. Normalisation and ReLUs around the layer stay as the network has them; the paper has none.

The authors start from the best of ten runs of spherical k-means over one patch an image; this is
one run, over patches from anywhere in the first batches of training.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils.parametrize import register_parametrization

from harness.convs.clusters import spherical_means
from harness.convs.geometry import Conv, remade
from harness.convs.inverse_root import EigenRoot, newton_root
from harness.convs.patches import Window
from harness.errors import UserError

SMALLEST = 1e-10  # a patch of a smaller norm is nothing
PATCHES = 10_000  # that filters are drawn from


@dataclass(frozen=True, kw_only=True)
class KernelMap:
    """The kernel of width `sigma`, or the "linear" one, <w, x>.

    Filters start at "random", or as the means of "patches" that the layer sees at the start of
    training, one layer after another. `ridge` keeps filters that nearly coincide apart. The inverse
    root is the same by "newton", the paper's iterations, and by "eigen", which takes a CPU a tenth
    of the time where a layer has hundreds of filters.
    """

    similarity: Literal["gaussian", "linear"] = "gaussian"
    sigma: float = 0.6
    ridge: float = 1e-3
    root: Literal["newton", "eigen"] = "newton"
    init: Literal["random", "patches"] = "random"

    def __post_init__(self) -> None:
        for name in ("sigma", "ridge"):
            if not getattr(self, name) > 0:
                raise UserError(f"{name}: must be more than 0, got {getattr(self, name)}")

    def refuses(self, conv: Conv) -> str | None:
        if conv.groups != 1:
            return f"groups {conv.groups}"
        return f"padding {conv.padding!r}" if isinstance(conv.padding, str) else None

    def replace(self, conv: Conv) -> nn.Module:
        kind = KernelConv if self.init == "random" else PatchesFirst
        return kind(conv, self).train(conv.training)


class UnitNorm(nn.Module):
    """Generates filters of norm one from any."""

    def forward(self, filters: Tensor) -> Tensor:
        return filters / filters.flatten(1).norm(dim=1).view(-1, *[1] * (filters.dim() - 1))

    def right_inverse(self, filters: Tensor) -> Tensor:
        return self(filters)


class KernelConv(nn.Module):
    """One layer; a patch of zeros gives zeros."""

    def __init__(self, conv: Conv, options: KernelMap) -> None:
        super().__init__()
        self.window, self.options = Window.of(conv), options
        self.filters = remade(conv, bias=False)
        nn.init.normal_(self.filters.weight)  # every direction alike
        register_parametrization(self.filters, "weight", UnitNorm())

    def forward(self, x: Float[Tensor, "batch c_in *size"]) -> Float[Tensor, "batch c_out *out"]:
        seen = self.filters(x)
        wide = torch.promote_types(seen.dtype, torch.float32)
        squares = self.window.sums(x.to(wide).square().sum(1, keepdim=True))
        norms = squares.clamp(min=SMALLEST**2).sqrt()  # without a gradient where it is clamped
        similar = self._similarity(seen.to(wide) / norms)
        mapped = (self.whitening().to(wide) @ similar.flatten(2)).view(similar.shape)
        return (torch.where(squares > SMALLEST**2, norms, 0) * mapped).to(seen.dtype)

    def whitening(self) -> Float[Tensor, "c_out c_out"]:
        """(k(W, W) + ridge I)^(-1/2) in double precision: filters may nearly coincide."""
        filters = self.filters.weight.flatten(1).double()
        gram = self._similarity(filters @ filters.T)
        identity = torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
        gram = gram + self.options.ridge * identity
        if self.options.root == "eigen":
            return EigenRoot.apply(gram)
        return newton_root(gram, smallest=self.options.ridge)

    def _similarity(self, cosine: Tensor) -> Tensor:
        if self.options.similarity == "linear":
            return cosine
        return ((cosine - 1) / self.options.sigma**2).exp()


class PatchesFirst(KernelConv):
    """One whose filters start as the means of groups of patches, by spherical k-means."""

    @torch.no_grad()
    def initialise_from(self, x: Float[Tensor, "batch c_in *size"]) -> None:
        """Filters for which there is no patch left, constant ones not counted, stay random."""
        axes = x.dim() - 2
        places = self.window.patches(x).movedim(1, axes + 1)  # batch, *out, c_in, *taps
        count = places.shape[: axes + 1]
        chosen = torch.randperm(count.numel())[:PATCHES].to(x.device)
        patches = places[torch.unravel_index(chosen, count)].flatten(1)
        patches = patches[patches.amax(1) > patches.amin(1)]
        patches = patches / patches.norm(dim=1, keepdim=True)
        filters = self.filters.weight.clone()
        means = spherical_means(patches.to(filters.dtype), len(filters))
        filters[: len(means)] = means.view(-1, *filters.shape[1:])
        self.filters.get_parameter("parametrizations.weight.original").copy_(filters)
