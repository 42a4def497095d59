"""Group convolutions: the same kernels in 4 orientations (p4), or in 8 with their mirrors (p4m).

References: Cohen and Welling, "Group Equivariant Convolutional Networks", ICML 2016, sections 4 to
6, https://arxiv.org/abs/1602.07576; what it does to capacity: Petersen and Sepliarskaia, "VC
dimensions of group convolutional neural networks", 2022, https://arxiv.org/abs/2212.09507

Channel n c + g of a map is feature c in orientation g = r + 4 m: mirrored m times, then turned r
quarters anticlockwise. A convolution that sees the network's input lifts it to such a map, all
others go from map to map. Kernels are square and turn in the plane of the image; time is untouched.
With as many channels, that is as much work, there are a quarter (an eighth) of the parameters:
twice (8 ** 0.5 times) the channels make up for it.

Unlike a network of the paper's, this one is made of a given network: batch normalisation comes to
share statistics and parameters among orientations, and the last map is averaged over them and
repeated, so that its size stays. The last map thus turns with the input, and its mean over the
image does not change at all. That is exact wherever the layers' windows lie symmetrically:
a stride, or pooling, of 2 with an odd kernel wants maps of odd size, one with an even kernel even
ones. Elsewhere the network only comes near it.

Where classes differ by a direction, as movement to the left and to the right do, an invariant
network cannot tell them apart.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from copy import deepcopy
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils.parametrize import (
    ParametrizationList,
    is_parametrized,
    register_parametrization,
)

from harness.convs.geometry import Conv
from harness.convs.orientations import Orientations, Sees, Shared
from harness.convs.swap import dry_run


class OrientedNorm(nn.BatchNorm1d):
    """Batch normalisation of maps that counts a feature's orientations as places of one channel."""

    def forward(self, input: Float[Tensor, "batch channels *size"]) -> Tensor:
        folded = input.reshape(len(input), self.num_features, -1)
        return super().forward(folded).view(input.shape)


def oriented_norm(norm: nn.BatchNorm2d | nn.BatchNorm3d, order: int) -> OrientedNorm:
    """It starts from what `norm` has for the first orientation."""
    features = norm.num_features // order
    new = OrientedNorm(features, norm.eps, norm.momentum, norm.affine, norm.track_running_stats)
    state = {k: v[::order].clone() if v.dim() else v for k, v in norm.state_dict().items()}
    new.load_state_dict(state, assign=True)  # with its device and dtype
    return new.train(norm.training)


def averaged(order: int, _: nn.Module, __: Any, x: Tensor) -> Tensor:
    """A hook that makes the last map of a network the same in all orientations."""
    return x.unflatten(1, (-1, order)).mean(2).repeat_interleave(order, dim=1)


@dataclass(kw_only=True)
class GroupP4:
    """Kernels in four orientations.

    `input` says how the network's input turns: the channels of "scalars" (colours and their
    differences) only move, while "vectors" (flow) turn as well. Turning flow as if it were colours
    is possible, but what is then the same for all orientations is no longer movement.
    """

    order: ClassVar[int] = 4

    input: Literal["scalars", "vectors"] = "scalars"
    inputs: set[nn.Module] = field(default_factory=set, init=False)  # modules that see the input
    made: set[nn.Module] = field(default_factory=set, init=False)

    def survey(self, network: nn.Module, size: Sequence[int]) -> None:
        self.inputs = unlearned(network, size)

    def refuses(self, conv: Conv) -> str | None:
        n, sees = self.order, self._sees(conv)
        plane = [set(part[-2:]) for part in (conv.kernel_size, conv.stride, conv.dilation)]
        wrong = {
            "its kernel is generated": is_parametrized(conv),
            f"groups {conv.groups}": conv.groups != 1,
            f"padding {conv.padding!r}": isinstance(conv.padding, str),
            f"kernel {conv.kernel_size}": len(plane[0]) != 1,
            f"stride {conv.stride}": len(plane[1]) != 1,
            f"dilation {conv.dilation}": len(plane[2]) != 1,
            f"padding {conv.padding}": len(set(conv.padding[-2:])) != 1,
            f"{conv.out_channels} output channels, no multiple of {n}": conv.out_channels % n != 0,
            f"{conv.in_channels} input channels, no multiple of {n}": sees == "map"
            and conv.in_channels % n != 0,
            f"{conv.in_channels} input channels are no vectors": sees == "vectors"
            and conv.in_channels % 2 != 0,
        }
        return next((reason for reason, holds in wrong.items() if holds), None)

    def replace(self, conv: Conv) -> nn.Module:
        new = deepcopy(conv)
        register_parametrization(new, "weight", Orientations(self.order, self._sees(conv)))
        if conv.bias is not None:
            register_parametrization(new, "bias", Shared(self.order))
        self.made.add(new)
        return new

    def finish(self, network: nn.Module) -> str | None:
        """Batch normalisation and the last map; says which other layer does not turn."""
        norms: dict[nn.Module, nn.Module] = {}
        for path, module in list(network.named_modules(remove_duplicate=False)):
            if module in self.made or isinstance(module, ParametrizationList):
                continue
            if isinstance(module, nn.BatchNorm2d | nn.BatchNorm3d) and module not in self.inputs:
                norms[module] = norms.get(module) or oriented_norm(module, self.order)
                network.set_submodule(path, norms[module])
            elif is_parametrized(module) or any(True for _ in module.parameters(recurse=False)):
                why = self.refuses(module) if isinstance(module, Conv) else type(module).__name__
                return f"{path} is not known to turn with its input ({why})"
        network.register_forward_hook(partial(averaged, self.order))
        return None

    def _sees(self, conv: Conv) -> Sees:
        return self.input if conv in self.inputs else "map"


@dataclass(kw_only=True)
class GroupP4m(GroupP4):
    """Kernels in eight orientations: four, and those of their mirror images."""

    order: ClassVar[int] = 8


def unlearned(network: nn.Module, size: Sequence[int]) -> set[nn.Module]:
    """Convolutions and normalisations whose input has been through no layer with parameters.

    `size` is that of one input of the network without its batch.
    """
    found: set[nn.Module] = set()

    def look(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        if not inputs[0].requires_grad:
            found.add(module)

    with ExitStack() as hooks:
        for module in network.modules():
            if not isinstance(module, Conv | nn.BatchNorm2d | nn.BatchNorm3d):
                continue
            hooks.enter_context(module.register_forward_pre_hook(look))
        batch = torch.empty(2, *size, dtype=next(network.parameters()).dtype, device="meta")
        dry_run(network, batch, gradients=True)
    return found
