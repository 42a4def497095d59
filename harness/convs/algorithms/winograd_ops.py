"""Winograd convolution by the native kernels as operators of PyTorch, with all their gradients.

Maps are (batch, channels, [frames,] height, width) in float32 on a CPU, whatever their layout;
results are channels-last. Convolution is linear in its input and in its weights, so that each of
the three operators below is a gradient of the others, and a gradient of any order is one of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from harness.convs.native import winograd as native
from harness.convs.native.winograd import Finish

NOTHING = Finish()


@torch.library.custom_op("harness::winograd", mutates_args=(), device_types="cpu")
def winograd(x: Tensor, weight: Tensor, padding: Sequence[int], tile: Sequence[int]) -> Tensor:
    """The convolution of stride 1 without a bias; `padding` and `tile` are by axis."""
    return convolve(x, weight, padding, tile)


@torch.library.custom_op("harness::winograd_input", mutates_args=(), device_types="cpu")
def winograd_input(
    gradient: Tensor, weight: Tensor, padding: Sequence[int], tile: Sequence[int]
) -> Tensor:
    """The gradient of `winograd` with respect to its input: the kernel turned around."""
    rest = [r - 1 - p for r, p in zip(weight.shape[2:], padding, strict=True)]
    return convolve(gradient, weight.transpose(0, 1), rest, tile, backwards=True)


@torch.library.custom_op("harness::winograd_weight", mutates_args=(), device_types="cpu")
def winograd_weight(
    x: Tensor, gradient: Tensor, weight: Tensor, padding: Sequence[int], tile: Sequence[int]
) -> Tensor:
    """The gradient of `winograd` with respect to its weight, whose layout it has."""
    out = torch.zeros_like(weight)
    if x.numel() and gradient.numel():
        axes = _axes_of(x, gradient.shape[2:], weight, padding, tile)
        x, gradient = _channels_last(x), _channels_last(gradient)
        layer = axes.layer(x, weight)
        native.weight_gradient(layer, axes.map(x), axes.map(gradient), axes.kernel(out))
    return out


def convolve(
    x: Tensor,
    weight: Tensor,
    padding: Sequence[int],
    tile: Sequence[int],
    *,
    backwards: bool = False,
    transformed: Tensor | None = None,
    finish: Finish = NOTHING,
) -> Tensor:
    """Correlate at once, outside of automatic differentiation.

    `transformed` is what `transform` made of the weights; `finish` has its residual as maps.
    """
    outputs = lengths(x.shape[2:], weight.shape[2:], padding)
    maps = [len(x), len(weight), *outputs]
    y = torch.empty(maps, dtype=torch.float32, device="cpu", memory_format=_layout(x))
    if y.numel():
        axes = _axes_of(x, outputs, weight, padding, tile)
        if finish.residual is not None:
            residual = axes.map(_channels_last(finish.residual))
            finish = replace(finish, residual=residual)
        native.forward(
            axes.layer(x, weight),
            axes.map(_channels_last(x)),
            axes.kernel(weight),
            axes.map(y),
            backwards=backwards,
            transformed=transformed,
            finish=finish,
        )
    return y


def transform(x: Tensor, weight: Tensor, padding: Sequence[int], tile: Sequence[int]) -> Tensor:
    """The weights as `convolve` takes them for inputs of the lengths of `x`, in any batch."""
    outputs = lengths(x.shape[2:], weight.shape[2:], padding)
    axes = _axes_of(x, outputs, weight, padding, tile)
    return native.transform(axes.layer(x, weight), axes.kernel(weight))


def lengths(size: Sequence[int], kernel: Sequence[int], padding: Sequence[int]) -> tuple[int, ...]:
    """Those of the output; ValueError if the kernel is larger than the padded input."""
    outputs = tuple(n + 2 * p - r + 1 for n, p, r in zip(size, padding, kernel, strict=True))
    if min(outputs) < 1:
        padded = tuple(n + 2 * p for n, p in zip(size, padding, strict=True))
        raise ValueError(f"kernel {tuple(kernel)} is larger than the padded {padded}")
    return outputs


def _layout(x: Tensor) -> torch.memory_format:
    return torch.channels_last if x.dim() == 4 else torch.channels_last_3d


def _channels_last(x: Tensor) -> Tensor:
    return x.resolve_neg().contiguous(memory_format=_layout(x))  # a negated view is only marked so


@dataclass(frozen=True, kw_only=True)
class _Axes:
    """The axes of a map in the order of the native kernels; an image has one more, of length one.

    `centred` are those along which only the middle tap of the kernel meets the input.
    """

    order: tuple[int, int, int]
    centred: tuple[int, ...]
    tile: tuple[int, int, int]
    taps: int
    padding: tuple[int, int, int]
    inputs: tuple[int, int, int]
    outputs: tuple[int, int, int]

    def layer(self, x: Tensor, weight: Tensor) -> native.Layer:
        return native.Layer(
            tile=self.tile,
            taps=self.taps,
            padding=self.padding,
            inputs=self.inputs,
            outputs=self.outputs,
            batch=x.shape[0],
            channels=weight.shape[1],
            filters=weight.shape[0],
        )

    def map(self, x: Tensor) -> Tensor:
        a, b, c = self.order
        x = x if x.dim() == 5 else x.unsqueeze(2)
        return x.permute(0, 2 + a, 2 + b, 2 + c, 1)

    def kernel(self, weight: Tensor) -> Tensor:
        a, b, c = self.order
        weight = weight.resolve_neg()
        weight = weight if weight.dim() == 5 else weight.unsqueeze(2)
        for axis in self.centred:
            weight = weight.narrow(2 + axis, 1, 1)
        return weight.permute(0, 1, 2 + a, 2 + b, 2 + c)


def _axes_of(
    x: Tensor, outputs: Sequence[int], weight: Tensor, padding: Sequence[int], tile: Sequence[int]
) -> _Axes:
    return _ordered(
        tuple(x.shape[2:]), tuple(outputs), tuple(weight.shape[2:]), tuple(padding), tuple(tile)
    )


@lru_cache(maxsize=1024)
def _ordered(*by_axis: tuple[int, ...]) -> _Axes:
    """From lengths of inputs, of outputs and of kernels, paddings and tiles."""
    image = len(by_axis[0]) == 2
    missing = (1, 1, 1, 0, 1)
    rows = [(m, *row) if image else row for m, row in zip(missing, by_axis, strict=True)]
    inputs, outputs, kernel, padding, tile = (list(row) for row in rows)

    transformed = [i for i in range(3) if tile[i] > 1]
    lone = [i for i in range(3) if kernel[i] > 1 and inputs[i] == outputs[i] == 1]
    centred = tuple(i for i in lone if set(transformed) - set(lone))
    for i in centred:
        kernel[i], padding[i], tile[i] = 1, 0, 1
    # An axis that is summed directly comes first; those that are transformed last, large tiles too.
    order = sorted(range(3), key=lambda i: (tile[i], kernel[i] == 1))

    def ordered(row: list[int]) -> tuple[int, int, int]:
        a, b, c = (row[i] for i in order)
        return a, b, c

    direct = tile[order[0]] == 1 and kernel[order[0]] > 1
    return _Axes(
        order=ordered([0, 1, 2]),
        centred=centred,
        tile=ordered(tile),
        taps=kernel[order[0]] if direct else 1,
        padding=ordered(padding),
        inputs=ordered(inputs),
        outputs=ordered(outputs),
    )


def _empty_maps(x: Tensor, channels: int, size: Sequence[int]) -> Tensor:
    return torch.empty(
        [len(x), channels, *size], device=x.device, dtype=x.dtype, memory_format=_layout(x)
    )


@winograd.register_fake
def _(x: Tensor, weight: Tensor, padding: Sequence[int], _tile: Sequence[int]) -> Tensor:
    size = lengths(x.shape[2:], weight.shape[2:], padding)
    return _empty_maps(x, weight.shape[0], size)


@winograd_input.register_fake
def _(gradient: Tensor, weight: Tensor, padding: Sequence[int], _tile: Sequence[int]) -> Tensor:
    rest = [r - 1 - p for r, p in zip(weight.shape[2:], padding, strict=True)]
    size = lengths(gradient.shape[2:], weight.shape[2:], rest)
    return _empty_maps(gradient, weight.shape[1], size)


@winograd_weight.register_fake
def _(_x: Tensor, _gradient: Tensor, weight: Tensor, *_: Sequence[int]) -> Tensor:
    return torch.empty_like(weight)


def _remember(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:  # noqa: ARG001
    *tensors, ctx.padding, ctx.tile = inputs
    ctx.save_for_backward(*tensors)


def _from_output(context: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
    x, weight = context.saved_tensors
    how = context.padding, context.tile
    by_x, by_weight = context.needs_input_grad[:2]
    return (
        winograd_input(gradient, weight, *how) if by_x else None,
        winograd_weight(x, gradient, weight, *how) if by_weight else None,
        None,
        None,
    )


def _from_input(context: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
    output_gradient, weight = context.saved_tensors
    how = context.padding, context.tile
    by_output, by_weight = context.needs_input_grad[:2]
    return (
        winograd(gradient, weight, *how) if by_output else None,
        winograd_weight(gradient, output_gradient, weight, *how) if by_weight else None,
        None,
        None,
    )


def _from_weight(context: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
    x, output_gradient, _ = context.saved_tensors
    how = context.padding, context.tile
    by_x, by_output = context.needs_input_grad[:2]
    return (
        winograd_input(output_gradient, gradient, *how) if by_x else None,
        winograd(x, gradient, *how) if by_output else None,
        None,
        None,
        None,
    )


winograd.register_autograd(_from_output, setup_context=_remember)
winograd_input.register_autograd(_from_input, setup_context=_remember)
winograd_weight.register_autograd(_from_weight, setup_context=_remember)
