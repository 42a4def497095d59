"""What the convolutions of a network multiply, as they are computed: closed forms, layer by layer.

Of one call: `direct`, every tap; `valid`, without the taps that fall on padding; `computed`, what
the algorithm under each layer multiplies: all taps in an ordinary convolution, the products of the
transformed domain where a module has a `tile`, else what its `multiplications(size)` says for one
sample. A module that says nothing leaves the sum unknown: None.
"""

from collections.abc import Collection, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from harness.bench import closed_form
from harness.bench.ours import tile_of
from harness.convs.swap import convolutions, dry_run


@dataclass(frozen=True)
class Products:
    """Multiplications of all convolutions."""

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

    with ExitStack() as hooks:
        for module in set(network.modules()):
            if isinstance(module, nn.Conv2d | nn.Conv3d):
                hooks.enter_context(module.register_forward_hook(count))
        dry_run(network, batch)
    known = [value for value in computed if value is not None]
    return Products(direct, valid, sum(known) if len(known) == len(computed) else None)


def _computed(module: Any, x: Tensor) -> int | None:
    """Of one sample; None if the module does not say."""
    size: Sequence[int] = x.shape[2:]
    tile = tile_of(module, module, x.shape)
    if tile is not None:
        return closed_form.winograd(module, size, tile)
    if hasattr(module, "multiplications"):
        return int(module.multiplications(size))
    return None
