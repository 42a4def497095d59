"""Winograd convolution by the native kernels with gradients of any order.

Convolution is linear in its input and in its weights, so that each of three functions is a gradient
of the others, and a gradient of any order is one of them. They are there twice, with the same rules
of differentiation: as operators of PyTorch, `harness::winograd` and so on, which torch.compile and
tracing see, and as functions of automatic differentiation, which an eager call reaches sooner.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from harness.convs.algorithms import winograd_calls as calls
from harness.convs.algorithms.winograd_calls import lengths
from harness.convs.geometry import channels_last


def winograd(x: Tensor, weight: Tensor, padding: Sequence[int], tile: Sequence[int]) -> Tensor:
    """The convolution of stride 1 without a bias; `padding` and `tile` are by axis."""
    return (_winograd if recorded(x) else _Winograd.apply)(x, weight, padding, tile)


def _by_input(
    gradient: Tensor, weight: Tensor, padding: Sequence[int], tile: Sequence[int]
) -> Tensor:
    """The gradient of `winograd` with respect to its input: the kernel turned around."""
    by_input = _winograd_input if recorded(gradient) else _WinogradInput.apply
    return by_input(gradient, weight, padding, tile)


def _by_weight(
    x: Tensor, gradient: Tensor, weight: Tensor, padding: Sequence[int], tile: Sequence[int]
) -> Tensor:
    """The gradient of `winograd` with respect to its weight, whose layout it has."""
    by_weight = _winograd_weight if recorded(x) else _WinogradWeight.apply
    return by_weight(x, gradient, weight, padding, tile)


def recorded(x: Tensor) -> bool:
    """Whether calls are watched or not even made: then they go through PyTorch's dispatcher."""
    return (
        torch.compiler.is_compiling()
        or torch.jit.is_tracing()
        or type(x) not in (Tensor, nn.Parameter)
        or torch._C._len_torch_dispatch_stack() > 0
    )


def _compute(x: Tensor, weight: Tensor, padding: Sequence[int], tile: Sequence[int]) -> Tensor:
    return calls.convolve(x, weight, tuple(padding), tuple(tile))


def _compute_by_input(
    gradient: Tensor, weight: Tensor, padding: Sequence[int], tile: Sequence[int]
) -> Tensor:
    turned, rest = weight.transpose(0, 1), _rest(weight, padding)
    return calls.convolve(gradient, turned, rest, tuple(tile), backwards=True)


def _compute_by_weight(
    x: Tensor, gradient: Tensor, weight: Tensor, padding: Sequence[int], tile: Sequence[int]
) -> Tensor:
    return calls.weight_gradient(x, gradient, weight, tuple(padding), tuple(tile))


def _operator(name: str, compute: Callable[..., Tensor]) -> Any:
    return torch.library.custom_op(name, compute, mutates_args=(), device_types="cpu")


_winograd = _operator("harness::winograd", _compute)
_winograd_input = _operator("harness::winograd_input", _compute_by_input)
_winograd_weight = _operator("harness::winograd_weight", _compute_by_weight)


def _rest(weight: Tensor, padding: Sequence[int]) -> tuple[int, ...]:
    """The padding of a gradient, of that of the input."""
    return tuple(r - 1 - p for r, p in zip(weight.shape[2:], padding, strict=True))


def _empty_maps(x: Tensor, channels: int, size: Sequence[int]) -> Tensor:
    return torch.empty(
        [len(x), channels, *size],
        device=x.device,
        dtype=x.dtype,
        memory_format=channels_last(len(size)),
    )


@_winograd.register_fake
def _(x: Tensor, weight: Tensor, padding: Sequence[int], _tile: Sequence[int]) -> Tensor:
    size = lengths(x.shape[2:], weight.shape[2:], padding)
    return _empty_maps(x, weight.shape[0], size)


@_winograd_input.register_fake
def _(gradient: Tensor, weight: Tensor, padding: Sequence[int], _tile: Sequence[int]) -> Tensor:
    size = lengths(gradient.shape[2:], weight.shape[2:], _rest(weight, padding))
    return _empty_maps(gradient, weight.shape[1], size)


@_winograd_weight.register_fake
def _(_x: Tensor, _gradient: Tensor, weight: Tensor, *_: Sequence[int]) -> Tensor:
    return torch.empty_like(weight)


def _remember(ctx: Any, inputs: tuple[Any, ...], output: Any = None) -> None:  # noqa: ARG001 (torch calls it so)
    *tensors, ctx.padding, ctx.tile = inputs
    ctx.save_for_backward(*tensors)


def _from_output(context: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
    x, weight = context.saved_tensors
    how = context.padding, context.tile
    by_x, by_weight = context.needs_input_grad[:2]
    return (
        _by_input(gradient, weight, *how) if by_x else None,
        _by_weight(x, gradient, weight, *how) if by_weight else None,
        None,
        None,
    )


def _from_input(context: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
    output_gradient, weight = context.saved_tensors
    how = context.padding, context.tile
    by_output, by_weight = context.needs_input_grad[:2]
    return (
        winograd(gradient, weight, *how) if by_output else None,
        _by_weight(gradient, output_gradient, weight, *how) if by_weight else None,
        None,
        None,
    )


def _from_weight(context: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
    x, output_gradient, _ = context.saved_tensors
    how = context.padding, context.tile
    by_x, by_output = context.needs_input_grad[:2]
    return (
        _by_input(output_gradient, gradient, *how) if by_x else None,
        winograd(x, gradient, *how) if by_output else None,
        None,
        None,
        None,
    )


_winograd.register_autograd(_from_output, setup_context=_remember)
_winograd_input.register_autograd(_from_input, setup_context=_remember)
_winograd_weight.register_autograd(_from_weight, setup_context=_remember)


class _Winograd(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *inputs: Any) -> Tensor:
        _remember(ctx, inputs)
        return _compute(*inputs)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        return _from_output(ctx, *gradients)


class _WinogradInput(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *inputs: Any) -> Tensor:
        _remember(ctx, inputs)
        return _compute_by_input(*inputs)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        return _from_input(ctx, *gradients)


class _WinogradWeight(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *inputs: Any) -> Tensor:
        _remember(ctx, inputs)
        return _compute_by_weight(*inputs)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        return _from_weight(ctx, *gradients)
