"""The last call of a layer whose weights are frozen, made again for an input like it.

What a call finds out before it computes takes Python 30 us, and twice that with cold caches: with
one image, 6 % of a layer of 64 channels. Here it is asked only whether all is as it was.
"""

import os
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

Seen = tuple[Any, ...]
Repeat = Callable[[Tensor, Tensor | None], Tensor]  # of an input and what is added to the output


class Again:
    """A call that came twice in a row. It is no state: copies are empty."""

    def __init__(self) -> None:
        self._last: tuple[Seen, Repeat] | None = None
        self._before: Seen | None = None

    def compute(self, layer: nn.Module, x: Tensor, residual: Tensor | None) -> Tensor | None:
        """The output, without gradients; None if the last calls were others."""
        if self._last is None:
            return None
        then, repeat = self._last
        return repeat(x, residual) if then == seen(layer, x, residual) else None

    def is_due(self, now: Seen | None) -> bool:
        """Whether to `remember`: inputs that differ from call to call are not worth it."""
        before, self._before = self._before, now
        return now is not None and before == now

    def remember(self, now: Seen, repeat: Repeat) -> None:
        """`now` was seen before the parameters were read, which a thread may write to meanwhile;
        `repeat` holds them, so that none comes to be where another was.
        """
        self._last = now, repeat

    def __reduce__(self) -> tuple[type["Again"], tuple[()]]:
        return Again, ()


def seen(layer: nn.Module, x: Tensor, residual: Tensor | None) -> Seen | None:
    """All that the way to compute depends on; None where parameters are computed at each call."""
    parameters = layer._parameters
    if "weight" not in parameters or "bias" not in parameters or isinstance(layer.tile, list):
        return None
    weight, bias = parameters["weight"], parameters["bias"]
    return (
        _map(x),
        None if residual is None else _map(residual),
        None if weight is None else _parameter(weight),
        None if bias is None else _parameter(bias),
        (layer.training, layer.relu, layer.tile, layer.padding),
        (layer.kernel_size, layer.in_channels, layer.out_channels),
        torch.get_num_threads(),
        os.environ.get("HARNESS_NATIVE"),
    )


def _map(x: Tensor) -> Seen:
    return type(x), x.shape, x.stride(), x.dtype, x.device, x.is_neg()


def _parameter(of: nn.Parameter) -> Seen:
    version = None if of.is_inference() else of._version
    return id(of), of.data_ptr(), version, of.shape, of.stride(), of.dtype, of.is_neg()
