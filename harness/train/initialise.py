"""Parts of a network that start from data, such as filters that are means of patches."""

from collections.abc import Iterable
from itertools import islice
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

BATCHES = 4  # fit into memory wherever training does: nothing is kept for a backward pass


@runtime_checkable
class StartsFromData(Protocol):
    """A module that sets its parameters by some inputs that it sees before training."""

    def initialise_from(self, x: Tensor, /) -> None: ...


@torch.no_grad()
def initialise(network: nn.Module, batches: Iterable[dict[str, Tensor]]) -> None:
    """Show the first batches to all modules that start from data, the foremost first.

    Each sees what those before it, just initialised, make of them. Buffers (running statistics)
    stay as they were. Nothing is drawn and no batch is made if there is no such module.
    """
    waiting = {module for module in network.modules() if isinstance(module, StartsFromData)}
    if not waiting:
        return

    def start(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        if module in waiting:
            waiting.remove(module)
            module.initialise_from(inputs[0])

    buffers = [(buffer, buffer.clone()) for buffer in network.buffers()]
    hooks = [module.register_forward_pre_hook(start) for module in waiting]
    some = list(islice(batches, BATCHES))
    network({key: torch.cat([batch[key] for batch in some]) for key in some[0]})
    for hook in hooks:
        hook.remove()
    for buffer, before in buffers:
        buffer.copy_(before)
