"""The native Winograd kernels on tensors of PyTorch, outside of automatic differentiation.

Maps are (batch, channels, [frames,] height, width) in float32 on a CPU, whatever their layout;
results are channels-last. What follows from shapes and strides alone is worked out once for each of
them: small layers take no longer than the call of a function.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from harness.convs.geometry import channels_last
from harness.convs.native import winograd as native
from harness.convs.native.winograd import NOTHING, Call, Finish, Layer, Taps

Size = tuple[int, ...]
Maps = tuple[Size, Size, Size, Size]  # shape and strides of the input, and those of the weight
SIGNATURES = 4096  # of layers and inputs that are remembered


def convolve(
    x: Tensor,
    weight: Tensor,
    padding: Size,
    tile: Size,
    *,
    backwards: bool = False,
    transformed: Tensor | None = None,
    finish: Finish = NOTHING,
) -> Tensor:
    """Correlate with stride 1, then finish the sums; the residual is a map as the output is.

    `padding` and `tile` are by axis; the kernel is turned around if `backwards`; `transformed` is
    what `transform` made of the weights. ValueError: the kernel is larger than the padded input.
    """
    x, weight = _channels_last(x), _plain(weight)
    if finish.residual is not None:
        finish = finish._replace(residual=_channels_last(finish.residual))
    kept = transformed is not None
    planned = plan(x, weight, padding, tile, backwards=backwards, kept=kept)
    return computed(planned, x, weight, transformed, finish)


@dataclass(frozen=True, kw_only=True)
class Planned:
    """The output's size, and the call that fills it: None if there is nothing in it."""

    size: list[int]
    memory_format: torch.memory_format
    call: Call | None


def plan(
    x: Tensor, weight: Tensor, padding: Size, tile: Size, *, backwards: bool, kept: bool
) -> Planned:
    """For channels-last maps; `kept`: the weights come transformed."""
    maps = x.shape, x.stride(), weight.shape, weight.stride()
    return _planned_forward(maps, padding, tile, backwards, kept, torch.get_num_threads())


def computed(
    planned: Planned, x: Tensor, weight: Tensor, transformed: Tensor | None, finish: Finish
) -> Tensor:
    """For the shapes and strides that were planned for."""
    y = torch.empty(
        planned.size, dtype=torch.float32, device="cpu", memory_format=planned.memory_format
    )
    if planned.call is not None:
        native.forward(planned.call, x, weight, y, transformed=transformed, finish=finish)
    return y


def is_plain(x: Tensor) -> bool:
    """Whether native code reads it as it is."""
    last = channels_last(x.dim() - 2)
    return x.dtype == torch.float32 and not x.is_neg() and x.is_contiguous(memory_format=last)


def transform(x: Tensor, weight: Tensor, padding: Size, tile: Size) -> Tensor:
    """The weights as `convolve` takes them for inputs of the lengths of `x`, in any batch."""
    weight = _plain(weight)
    axes = _axes(x.shape[2:], weight.shape[2:], padding, tile)
    layer, threads = axes.layer(len(x), weight.shape), torch.get_num_threads()
    schedule = native.forward_schedule(layer, raw=True, threads=threads)
    anywhere = (0,) * 4
    taps = axes.taps(weight.stride())
    return native.transform(Call(layer, schedule, anywhere, anywhere, taps), weight)


def weight_gradient(
    x: Tensor, gradient: Tensor, weight: Tensor, padding: Size, tile: Size
) -> Tensor:
    """What `convolve` passes back to its weight, whose layout it has."""
    out = torch.zeros_like(weight)
    if x.numel() and gradient.numel():
        x, gradient = _channels_last(x), _channels_last(gradient)
        maps = x.shape, x.stride(), out.shape, out.stride()
        call = _planned_gradient(maps, gradient.stride(), padding, tile, torch.get_num_threads())
        native.weight_gradient(call, x, gradient, out)
    return out


def lengths(size: Sequence[int], kernel: Sequence[int], padding: Sequence[int]) -> Size:
    """Those of the output; ValueError if the kernel is larger than the padded input."""
    outputs = tuple(n + 2 * p - r + 1 for n, p, r in zip(size, padding, kernel, strict=True))
    if min(outputs) < 1:
        padded = tuple(n + 2 * p for n, p in zip(size, padding, strict=True))
        raise ValueError(f"kernel {tuple(kernel)} is larger than the padded {padded}")
    return outputs


def _channels_last(x: Tensor) -> Tensor:
    return _plain(x).contiguous(memory_format=channels_last(x.dim() - 2))


def _plain(x: Tensor) -> Tensor:
    """Its memory may hold the negative of what a view stands for."""
    return x.resolve_neg() if x.is_neg() else x


@lru_cache(maxsize=SIGNATURES)
def _planned_forward(
    maps: Maps, padding: Size, tile: Size, backwards: bool, kept: bool, threads: int
) -> Planned:
    shape, stride, weight_shape, weight_stride = maps
    axes = _axes(shape[2:], weight_shape[2:], padding, tile)
    size = [shape[0], weight_shape[0], *lengths(shape[2:], weight_shape[2:], padding)]
    y = torch.empty(size, device="meta", memory_format=channels_last(len(size) - 2))
    call = None
    if y.numel():
        layer = axes.layer(shape[0], weight_shape)
        schedule = native.forward_schedule(layer, raw=not kept, threads=threads)
        strides = axes.strides(stride), axes.strides(y.stride())
        call = Call(layer, schedule, *strides, axes.taps(weight_stride, backwards=backwards))
    return Planned(size=size, memory_format=channels_last(len(size) - 2), call=call)


@lru_cache(maxsize=SIGNATURES)
def _planned_gradient(
    maps: Maps, gradient_stride: Size, padding: Size, tile: Size, threads: int
) -> Call:
    shape, stride, weight_shape, weight_stride = maps
    axes = _axes(shape[2:], weight_shape[2:], padding, tile)
    layer = axes.layer(shape[0], weight_shape)
    schedule = native.gradient_schedule(layer, threads)
    strides = axes.strides(stride), axes.strides(gradient_stride)
    return Call(layer, schedule, *strides, axes.taps(weight_stride))


def forget_plans() -> None:
    """For tests that change schedules."""
    _planned_forward.cache_clear()
    _planned_gradient.cache_clear()


@dataclass(frozen=True, kw_only=True)
class _Axes:
    """The axes of a map in the order of the native kernels; an image has one more, of length one.

    `centred` are those along which only the middle tap of the kernel meets the input.
    """

    order: tuple[int, int, int]
    centred: tuple[int, ...]
    tile: tuple[int, int, int]
    directly: int  # taps of an axis that is not transformed, or 1
    kernel: tuple[int, int, int]
    padding: tuple[int, int, int]
    inputs: tuple[int, int, int]
    outputs: tuple[int, int, int]

    def layer(self, batch: int, weight: Size) -> Layer:
        return Layer(
            tile=self.tile,
            taps=self.directly,
            padding=self.padding,
            inputs=self.inputs,
            outputs=self.outputs,
            batch=batch,
            channels=weight[1],
            filters=weight[0],
        )

    def strides(self, stride: Size) -> Size:
        """Of the batch and the axes, of those of a map."""
        batch, _, *along = stride
        along = along if len(along) == 3 else [0, *along]
        return (batch, *(along[i] for i in self.order))

    def taps(self, stride: Size, *, backwards: bool = False) -> Taps:
        """Of the strides of a weight."""
        filters, channels, *along = stride
        along = along if len(along) == 3 else [0, *along]
        first = sum(along[axis] for axis in self.centred)
        a, b, c = (along[i] for i in self.order)
        if backwards:
            first += sum((r - 1) * step for r, step in zip(self.kernel, (a, b, c), strict=True))
            a, b, c = -a, -b, -c
        return Taps(
            first=4 * first, filter_stride=filters, channel_stride=channels, tap_stride=(a, b, c)
        )


def _axes(size: Size, kernel: Size, padding: Size, tile: Size) -> _Axes:
    image = len(size) == 2
    rows = [size, lengths(size, kernel, padding), kernel, padding, tile]
    missing = (1, 1, 1, 0, 1)
    full = [[m, *row] if image else [*row] for m, row in zip(missing, rows, strict=True)]
    inputs, outputs, taps, pads, tiles = full

    transformed = [i for i in range(3) if tiles[i] > 1]
    lone = [i for i in range(3) if taps[i] > 1 and inputs[i] == outputs[i] == 1]
    centred = tuple(i for i in lone if set(transformed) - set(lone))
    for i in centred:
        taps[i], pads[i], tiles[i] = 1, 0, 1
    # An axis that is summed directly comes first; those that are transformed last, large tiles too.
    order = sorted(range(3), key=lambda i: (tiles[i], taps[i] == 1))

    def ordered(row: list[int]) -> tuple[int, int, int]:
        a, b, c = (row[i] for i in order)
        return a, b, c

    direct = tiles[order[0]] == 1 and taps[order[0]] > 1
    return _Axes(
        order=ordered([0, 1, 2]),
        centred=centred,
        tile=ordered(tiles),
        directly=taps[order[0]] if direct else 1,
        kernel=ordered(taps),
        padding=ordered(pads),
        inputs=ordered(inputs),
        outputs=ordered(outputs),
    )
