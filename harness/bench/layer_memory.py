"""What one forward call of a layer needs above its inputs and its output.

Measured in a process of its own, in a first call: buffers that are kept and weights that are laid
out or transformed are part of it, the library's own start is not (a tiny layer runs before).
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from harness.bench.layers import Layer
from harness.bench.memory import extra_mb
from harness.bench.ours import Variant, entry
from harness.bench.paths import forward_ways
from harness.bench.race import Call
from harness.malloc import give_back_freed_memory

TINY_CHANNELS, TINY_SIDE = 16, 4


@dataclass(frozen=True, kw_only=True)
class MemoryCase:
    """One layer, batch and number of threads."""

    layer: Layer
    batch: int
    threads: int

    def tiny(self) -> "MemoryCase":
        small = (TINY_SIDE,) * len(self.layer.size)
        return replace(self, layer=replace(self.layer, channels=TINY_CHANNELS, size=small))


@torch.no_grad()
def our_extra_mb(case: MemoryCase, variant: Variant) -> float | None:
    """MB of 10^6 bytes; None where the peak cannot be read."""
    _start(case)
    for one in (case.tiny(), case):
        conv, x = one.layer.posed(one.batch)
        module = entry(variant, conv, x.shape).module
        assert module is not None, f"{variant} refuses {one.layer.name}"
        extra = _extra(lambda m=module, x=x: m(x), x)  # type: ignore[misc]  # a lambda has no place for types
    return extra


@torch.no_grad()
def path_extra_mb(case: MemoryCase, path: str) -> float | None:
    """The same for a path of harness.bench.paths, whose packing is part of it; None also where it
    does not run in a fresh process.
    """
    _start(case)
    for one in (case.tiny(), case):
        conv, x = one.layer.posed(one.batch)
        prepare = forward_ways(conv, x, compiled="compiled" in path)[path]
        try:
            extra = _extra(lambda prepare=prepare: prepare()(), x)  # type: ignore[misc]  # a lambda has no place for types
        except RuntimeError:  # NNPACK may run in one process and not in the next
            return None
    return extra


def _start(case: MemoryCase) -> None:
    give_back_freed_memory()
    torch.set_num_threads(case.threads)


def _extra(call: Call, x: Tensor) -> float | None:
    """The output is as large as the input: same channels, same size."""
    found = extra_mb(call)
    return None if found is None else max(0.0, found - x.numel() * x.element_size() / 1e6)
