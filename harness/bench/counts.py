"""Parameters and multiply-adds of a network.

One multiply-add is one MAC; torch's counter says FLOPs = 2 MACs, and counts matrix products and
convolutions only. MACs are those of the direct computation: an algorithm such as Winograd computes
the same function with fewer, and its row says so by its time, not by this number.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode


def parameters(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def macs(forward: Callable[[], object]) -> int:
    """MACs of one call, on whatever device; the meta device costs nothing."""
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        forward()
    return counter.get_total_flops() // 2


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
