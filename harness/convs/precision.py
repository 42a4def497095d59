"""The least precision of an algorithm of our own: single, whatever autocast says."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor

from harness.convs.geometry import Conv


def without_autocast(device: torch.device) -> AbstractContextManager[object]:
    kind = device.type
    active = torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind)
    return torch.autocast(kind, enabled=False) if active else nullcontext()


def in_single_at_least(
    x: Tensor, conv: Conv, compute: Callable[[Tensor, Tensor, Tensor | None], Tensor]
) -> Tensor:
    """`compute(x, weight, bias)` in float32 or wider, given back in the precision of `x`."""
    dtype = torch.promote_types(x.dtype, torch.float32)
    bias = None if conv.bias is None else conv.bias.to(dtype)
    with without_autocast(x.device):
        return compute(x.to(dtype), conv.weight.to(dtype), bias).to(x.dtype)
