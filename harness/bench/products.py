"""What convolutions, and what took their place, multiply as computed: closed forms by layer.

Of one call: `direct`, every tap; `valid`, without the taps that fall on padding; `computed`, what
the algorithm under each layer multiplies: all taps in an ordinary convolution, the products of the
transformed domain where a module has a `tile`, else what its `multiplications(size)` says for one
sample. A convolution that says nothing leaves the sum unknown: None. What a module of an operator
multiplies beside its convolutions (`multiplications_beside`) is computed, too.
"""

from collections.abc import Collection, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from harness.bench import closed_form
from harness.bench.ours import tile_of
from harness.convs.swap import convolutions, dry_run

SAYS = "multiplications_beside"


@dataclass(frozen=True)
class Products:
    """Multiplications of all convolutions; `computed` has those of operators beside them."""

    direct: int
    valid: int
    computed: int | None


def products(network: nn.Module, batch: Any, *, directly: Collection[nn.Module] = ()) -> Products:
    """Of one call on a batch on the meta device: nothing is computed.

    `directly`: modules whose algorithm has fallen back to ordinary convolutions.
    """
    direct, valid, computed = 0, 0, list[int | None]()
    ordinary = {*convolutions(network).values(), *directly}

    def count(module: Any, inputs: tuple[Tensor, ...], _: Tensor) -> None:
        nonlocal direct, valid
        [x] = inputs
        samples, size = len(x), x.shape[2:]
        direct += samples * closed_form.direct(module, size)
        valid += samples * closed_form.valid(module, size)
        each = closed_form.direct(module, size) if module in ordinary else _computed(module, x)
        computed.append(None if each is None else samples * each)

    def count_beside(module: Any, _: Any, y: Tensor) -> None:
        computed.append(module.multiplications_beside(y))

    with ExitStack() as hooks:
        for module in set(network.modules()):
            if isinstance(module, nn.Conv2d | nn.Conv3d):
                hooks.enter_context(module.register_forward_hook(count))
            elif hasattr(module, SAYS):
                hooks.enter_context(module.register_forward_hook(count_beside))
        dry_run(network, batch)
    known = [value for value in computed if value is not None]
    return Products(direct, valid, sum(known) if len(known) == len(computed) else None)


def unsaid(network: nn.Module, batch: Any) -> int:
    """MACs of one call, as torch counts them, that are in no convolution and in no module that says
    what it multiplies beside its convolutions.
    """
    said, before = 0, list[int]()

    def enter(_: nn.Module, _inputs: Any) -> None:
        before.append(counter.get_total_flops())

    def leave(_: nn.Module, _inputs: Any, _y: Any) -> None:
        nonlocal said
        flops = counter.get_total_flops() - before.pop()
        said += 0 if before else flops  # once where one stands in another

    with FlopCounterMode(display=False) as counter, ExitStack() as hooks:
        for module in set(network.modules()):
            if isinstance(module, nn.Conv2d | nn.Conv3d) or hasattr(module, SAYS):
                hooks.enter_context(module.register_forward_pre_hook(enter))
                hooks.enter_context(module.register_forward_hook(leave))
        dry_run(network, batch)
    return (counter.get_total_flops() - said) // 2


def _computed(module: Any, x: Tensor) -> int | None:
    """Of one sample; None if the module does not say."""
    size: Sequence[int] = x.shape[2:]
    tile = tile_of(module, module, x.shape)
    if tile is not None:
        return closed_form.winograd(module, size, tile)
    if hasattr(module, "multiplications"):
        return int(module.multiplications(size))
    return None
