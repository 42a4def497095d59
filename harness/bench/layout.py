"""How the maps of a network lie in memory: seen, since an algorithm may choose."""

from contextlib import ExitStack
from typing import Any, Literal

from torch import Tensor, nn

from harness.convs.geometry import channels_last

Layout = Literal["contiguous", "channels_last", "mixed"]


def layout_of(network: nn.Module, batch: Any) -> Layout:
    """That of what every convolution gives in one call; maps that lie both ways are not asked."""
    seen = set[Layout]()

    def look(_module: nn.Module, _inputs: Any, y: Tensor) -> None:
        if y.dim() in (4, 5):
            layout = channels_last(y.dim() - 2)
            first, last = y.is_contiguous(), y.is_contiguous(memory_format=layout)
            if not (first and last):
                seen.add("contiguous" if first else "channels_last" if last else "mixed")

    with ExitStack() as hooks:
        for module in network.modules():
            if isinstance(module, nn.Conv2d | nn.Conv3d):
                hooks.enter_context(module.register_forward_hook(look))
        network(batch)
    if len(seen) > 1:
        return "mixed"
    return next(iter(seen), "contiguous")
