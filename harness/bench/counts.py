"""Parameters, multiply-adds and uncounted operations of a network.

One multiply-add is one MAC and two FLOPs. torch's counter (torch.utils.flop_counter) gives FLOPs of
matrix products and convolutions, padded taps counted; Fourier transforms and elementwise operations
are 0 to it, so they are listed by name and number of calls. MACs are those of the direct
computation: what an algorithm such as Winograd multiplies is in harness.bench.closed_form.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode, flop_registry


@dataclass(frozen=True)
class Work:
    """Of one call: FLOPs as torch counts them, and how often each uncounted operation ran."""

    flops: int
    uncounted: dict[str, int]

    @property
    def macs(self) -> int:
        return self.flops // 2

    @property
    def listed(self) -> str:
        """The uncounted operations, most frequent first: 'relu x 17, native_batch_norm x 20'."""
        ranked = sorted(self.uncounted.items(), key=lambda item: (-item[1], item[0]))
        return ", ".join(f"{name} x {calls}" for name, calls in ranked)


class _Operations(TorchDispatchMode):
    """Counts the calls of operations that compute something and that torch's counter leaves out."""

    def __init__(self) -> None:
        super().__init__()
        self.uncounted: Counter[str] = Counter()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> object:
        name = func.overloadpacket.__name__
        idle = func.is_view or func.namespace == "prim" or name.startswith("empty")
        if func.overloadpacket not in flop_registry and not idle:
            self.uncounted[name] += 1
        return func(*args, **(kwargs or {}))


def parameters(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def work(forward: Callable[[], object]) -> Work:
    """Of one call, on whatever device; the meta device costs nothing."""
    with torch.no_grad(), _Operations() as operations, FlopCounterMode(display=False) as counter:
        forward()
    return Work(counter.get_total_flops(), dict(operations.uncounted))


def work_of(build: Callable[[], nn.Module], size: Sequence[int]) -> dict[str, int | str]:
    """What a network costs for one input of `size`, without building it in memory."""
    with torch.device("meta"):
        network, x = build().eval(), torch.empty(1, *size)
    done = work(lambda: network(x))
    return {
        "params": parameters(network),
        "macs": done.macs,
        "flops": done.flops,
        "uncounted": done.listed,
    }


def values_of(build: Callable[[], nn.Module], size: Sequence[int]) -> int:
    """In the input of a network, in both layouts, and in its largest map, for one sample."""
    sizes = [0]

    def note(_module: nn.Module, _inputs: Any, y: Any) -> None:
        sizes.append(y.numel() if isinstance(y, Tensor) else 0)

    with torch.device("meta"):
        network, x = build().eval(), torch.empty(1, *size)
    for module in network.modules():
        module.register_forward_hook(note)
    with torch.no_grad():
        network(x)
    return 2 * x.numel() + max(sizes)


def example(
    modalities: dict[str, int],
    segments: int,
    frames: int,
    size: int,
    device: torch.device,
    samples: int = 1,
) -> dict[str, Tensor]:
    """Zero samples as the loader gives them: uint8, channels last."""
    shapes = {"rgb": (modalities.get("rgb", 0), 3), "flow": (frames, 2)}
    return {
        name: torch.zeros(
            (samples, segments, shapes[name][0], size, size, shapes[name][1]),
            dtype=torch.uint8,
            device=device,
        )
        for name in modalities
    }
