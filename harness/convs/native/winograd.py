"""The native Winograd kernels on tensors: (batch, axis 0, axis 1, axis 2, channels), in float32.

What the axes are is the caller's affair. The last one or two, or all three, are transformed; axis 0
may have a kernel of three taps without being transformed (`taps`). Channels are contiguous, all
else has any strides.
"""

import ctypes
from collections.abc import Sequence
from ctypes import POINTER, Structure, byref, c_int, c_int32, c_int64, c_void_p
from dataclasses import dataclass, replace
from functools import cache
from math import prod
from typing import Any, NamedTuple

from torch import Tensor

from harness.convs.native.library import instruction_set, library
from harness.convs.native.room import room

TILES = ((1, 1, 2), (1, 1, 4), (1, 2, 2), (1, 2, 4), (1, 4, 4), (2, 2, 2), (2, 4, 4), (4, 4, 4))
MEGABYTE = 2**20


class _Shape(Structure):
    _fields_ = [
        ("batch", c_int64),
        ("inputs", c_int64 * 3),
        ("outputs", c_int64 * 3),
        ("padding", c_int64 * 3),
        ("channels", c_int64),
        ("filters", c_int64),
        ("in_stride", c_int64 * 4),
        ("out_stride", c_int64 * 4),
        ("taps", c_int64),
    ]


class _Kernel(Structure):
    _fields_ = [
        ("filter_stride", c_int64),
        ("channel_stride", c_int64),
        ("tap_stride", c_int64 * 3),
    ]


class Schedule(Structure):
    """Tiles of a block, and two orders of loops: see forward.h."""

    _fields_ = [
        ("tiles", c_int64),
        ("by_panels", c_int32),
        ("positions_first", c_int32),
        ("threads", c_int32),
    ]


@cache
def _native() -> ctypes.CDLL:
    native = library()
    assert native is not None, "asked for without a look at harness.convs.native.library"
    layer: list[Any] = [c_int64 * 3, POINTER(_Shape)]
    native.harness_winograd_size.argtypes = layer
    native.harness_winograd_size.restype = c_int64
    task: list[Any] = [*layer, POINTER(Schedule)]
    finish: list[Any] = [c_void_p, c_void_p, c_int]  # bias, residual, ReLU
    native.harness_winograd_forward.argtypes = [
        *task, POINTER(_Kernel), c_void_p, c_void_p, c_void_p, c_void_p, *finish
    ]  # fmt: skip
    native.harness_winograd_weights.argtypes = [
        *layer, POINTER(_Kernel), c_void_p, c_void_p, c_int
    ]  # fmt: skip
    native.harness_winograd_weight_gradient.argtypes = [
        *task, POINTER(_Kernel), c_void_p, c_void_p, c_void_p
    ]  # fmt: skip
    return native


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One convolution of stride 1, for one size of input."""

    tile: tuple[int, int, int]  # one of TILES
    taps: int  # along axis 0: 1, or 3 where it has a kernel and is not transformed
    padding: tuple[int, int, int]
    inputs: tuple[int, int, int]
    outputs: tuple[int, int, int]
    batch: int
    channels: int
    filters: int

    @property
    def positions(self) -> int:
        """Products that a tile takes for each pair of channels."""
        return prod(m + 2 if m > 1 else 1 for m in self.tile) * self.taps

    @property
    def tiles(self) -> int:
        """Those of the whole batch; frames that are summed directly are not told apart."""
        along = [-(-n // m) for n, m in zip(self.outputs, self.tile, strict=True)]
        return self.batch * prod(along[1:] if self.taps > 1 else along)

    def flat(self) -> "Layer":
        """That of one position of axis 0, for all tiles of frames: see frames.h."""
        frames = -(-self.outputs[0] // self.tile[0])
        return replace(
            self,
            tile=(1, *self.tile[1:]),
            padding=(0, *self.padding[1:]),
            inputs=(1, *self.inputs[1:]),
            outputs=(1, *self.outputs[1:]),
            batch=self.batch * frames,
        )

    @property
    def transformed_bytes(self) -> int:
        return 4 * self.positions * self.channels * self.filters


@dataclass(frozen=True, kw_only=True)
class Taps:
    """Where the weights stand in memory: the first, in bytes, and strides in floats."""

    first: int
    filter_stride: int
    channel_stride: int
    tap_stride: tuple[int, int, int]


class Call:
    """All of a call but its tensors, as ctypes wants it: made once, used at every step.

    `in_stride` and `out_stride` are those of the batch and the three axes, in floats.
    """

    def __init__(
        self,
        layer: Layer,
        schedule: Schedule,
        in_stride: Sequence[int],
        out_stride: Sequence[int],
        taps: Taps,
    ) -> None:
        self.first = taps.first
        self.threads = schedule.threads
        kernel = _Kernel(taps.filter_stride, taps.channel_stride, _numbers(taps.tap_stride))
        shape = _Shape(
            layer.batch,
            _numbers(layer.inputs),
            _numbers(layer.outputs),
            _numbers(layer.padding),
            layer.channels,
            layer.filters,
            _numbers(in_stride),
            _numbers(out_stride),
            layer.taps,
        )
        self.of_layer = _numbers(layer.tile), byref(shape)
        self.of_task = *self.of_layer, byref(schedule), byref(kernel)
        self.kernel = byref(kernel)


class Finish(NamedTuple):
    """What happens to the sums of `forward` while they are in registers, in this order.

    Both are added, and then the ReLU is taken; the residual lies as the output does.
    """

    bias: Tensor | None = None
    residual: Tensor | None = None
    relu: bool = False


NOTHING = Finish()


def forward(
    call: Call,
    x: Tensor,
    weight: Tensor,
    y: Tensor,
    *,
    transformed: Tensor | None = None,
    finish: Finish = NOTHING,
) -> None:
    """Write the convolution into `y`; `transformed` is what `transform` made of the weight."""
    done = _native().harness_winograd_forward(
        *call.of_task,
        x.data_ptr(),
        weight.data_ptr() + call.first,
        _address(transformed),
        y.data_ptr(),
        _address(finish.bias),
        _address(finish.residual),
        finish.relu,
    )
    _must(done)


def transform(call: Call, weight: Tensor) -> Tensor:
    """The weights as `forward` takes them; they serve inputs of any size and batch."""
    size = _native().harness_winograd_size(*call.of_layer)
    transformed = room(size)
    done = _native().harness_winograd_weights(
        *call.of_layer,
        call.kernel,
        weight.data_ptr() + call.first,
        transformed.data_ptr(),
        call.threads,
    )
    _must(done)
    return transformed


def weight_gradient(call: Call, x: Tensor, gradient: Tensor, out: Tensor) -> None:
    """Write into `out` what `forward` passes back to its weight, for the gradient of its output."""
    done = _native().harness_winograd_weight_gradient(
        *call.of_task, x.data_ptr(), gradient.data_ptr(), out.data_ptr() + call.first
    )
    _must(done)


def _must(done: int) -> None:
    if done != 1:
        raise MemoryError("no memory for the transforms") if done < 0 else AssertionError("tile")


def forward_schedule(layer: Layer, *, raw: bool, threads: int) -> Schedule:
    """How the work is cut, so that what is read again is near; measured.

    Threads share blocks of tiles, or output channels where there are too few. Where transformed
    weights are larger than all that is computed with them, they are not written down at all: each
    panel of raw weights is transformed as it is used.
    """
    if layer.tile[0] > 1:
        layer, raw = layer.flat(), False
    avx512 = instruction_set() == "avx512"
    tiles, positions_first = (_wide_blocks if avx512 else _blocks)(layer)
    inputs = 4 * layer.positions * layer.tiles * layer.channels
    few = -(-layer.tiles // tiles) < threads <= -(-layer.filters // (64 if avx512 else 16))
    once = raw and layer.transformed_bytes > 16 * MEGABYTE and inputs <= 32 * MEGABYTE
    if few or once:
        return Schedule(layer.tiles, True, positions_first and not once, threads)
    return Schedule(_even(layer.tiles, tiles, threads), False, positions_first, threads)


def _blocks(layer: Layer) -> tuple[int, bool]:
    """Tiles of a block, and whether a position of all panels comes before the next position.

    That is so with many channels: V, which does not stay in the second cache, is then read once.
    With three axes it would leave too many streams to transform back.
    """
    wide = layer.filters >= 128 and layer.positions <= 36 * layer.taps
    few = 24 if layer.transformed_bytes <= 4 * MEGABYTE else 48
    return 64 if wide or layer.taps > 1 else few, wide


def _wide_blocks(layer: Layer) -> tuple[int, bool]:
    """The same with panels of 64 output channels, which are so few that V is read a few times.

    Beside weights that stay in the second cache a block is small. More weights are read from
    memory for each block, so that it is larger with them, though V then leaves that cache.
    """
    if layer.tiles <= 64 or layer.channels > 128 or layer.taps > 1:
        return 64, False
    if layer.transformed_bytes > 0.625 * MEGABYTE:
        return 50, False
    of_tile = 4 * layer.positions * (layer.channels + 64)
    return int(0.21875 * MEGABYTE) // of_tile, False


def gradient_schedule(layer: Layer, threads: int) -> Schedule:
    """Small blocks, but as few as can be where the gradient is large: each goes through all of it.

    Threads share the tiles in the transforms, positions and channels in the products.
    """
    large = (8 if instruction_set() == "avx512" else 16) * MEGABYTE
    tiles = 66 if layer.transformed_bytes < large else 128
    return Schedule(_even(layer.tiles, tiles), False, False, threads)


def _even(tiles: int, most: int, threads: int = 1) -> int:
    """Tiles of a block, of no more than `most`: all blocks alike, and as many for each thread."""
    blocks = max(-(-tiles // (most * threads)), 1) * threads
    return -(-tiles // blocks)


def _numbers(values: Sequence[int]) -> "ctypes.Array[c_int64]":
    return (c_int64 * len(values))(*values)


def _address(tensor: Tensor | None) -> int | None:
    return None if tensor is None else tensor.data_ptr()
