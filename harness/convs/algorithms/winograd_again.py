"""The last call of a layer whose weights are frozen, made again for an input like it.

What a call finds out before it computes takes Python 30 us, and twice that with cold caches: with
one image, 6 % of a layer of 64 channels. Here it is asked only whether all is as it was.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

Repeat = Callable[[Tensor, Tensor | None], Tensor]  # of an input and what is added to the output


class Again:
    """It is no state: copies are empty."""

    def __init__(self) -> None:
        self._last: tuple[tuple[Any, ...], Repeat] | None = None

    def compute(self, layer: nn.Module, x: Tensor, residual: Tensor | None) -> Tensor | None:
        """The output, without gradients; None if the last call was another."""
        if self._last is None:
            return None
        seen, repeat = self._last
        return repeat(x, residual) if seen == _seen(layer, x, residual) else None

    def remember(
        self, layer: nn.Module, x: Tensor, residual: Tensor | None, repeat: Repeat
    ) -> None:
        """`repeat` holds the parameters of the layer: none comes to be where another was."""
        self._last = _seen(layer, x, residual), repeat

    def __reduce__(self) -> tuple[type["Again"], tuple[()]]:
        return Again, ()


def _seen(layer: nn.Module, x: Tensor, residual: Tensor | None) -> tuple[Any, ...]:
    """All that the way to compute depends on."""
    weight, bias = layer._parameters["weight"], layer._parameters["bias"]
    return (
        _map(x),
        None if residual is None else _map(residual),
        None if weight is None else _parameter(weight),
        None if bias is None else _parameter(bias),
        (layer.training, layer.relu, layer.tile, layer.padding),
        torch.get_num_threads(),
    )


def _map(x: Tensor) -> tuple[Any, ...]:
    return type(x), x.shape, x.stride(), x.dtype, x.device, x.is_neg()


def _parameter(of: nn.Parameter) -> tuple[Any, ...]:
    version = None if of.is_inference() else of._version
    return id(of), of.data_ptr(), version, of.shape, of.stride(), of.dtype
