"""The native Winograd kernels on tensors: (batch, axis 0, axis 1, axis 2, channels), in float32.

What the axes are is the caller's affair. The last one or two, or all three, are transformed; axis 0
may have a kernel of three taps without being transformed (`taps`). Channels are contiguous, all
else has any strides.
"""

import ctypes
from collections.abc import Sequence
from ctypes import POINTER, Structure, byref, c_int, c_int32, c_int64, c_void_p
from dataclasses import dataclass
from functools import cache, lru_cache
from math import prod
from typing import Any

import torch
from torch import Tensor

from harness.convs.native.library import library

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


class _Weights(Structure):
    _fields_ = [("raw", c_void_p), ("kernel", _Kernel), ("transformed", c_void_p)]


class _Schedule(Structure):
    _fields_ = [("tiles", c_int64), ("by_panels", c_int32), ("threads", c_int32)]


@cache
def _native() -> ctypes.CDLL:
    native = library()
    assert native is not None, "asked for without a look at harness.convs.native.library"
    layer: list[Any] = [c_int64 * 3, POINTER(_Shape)]
    native.harness_winograd_size.argtypes = layer
    native.harness_winograd_size.restype = c_int64
    task: list[Any] = [*layer, POINTER(_Schedule)]
    finish: list[Any] = [c_void_p, c_void_p, c_int]  # bias, residual, ReLU
    native.harness_winograd_forward.argtypes = [
        *task, c_void_p, POINTER(_Weights), c_void_p, *finish
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

    @property
    def transformed_bytes(self) -> int:
        return 4 * self.positions * self.channels * self.filters


@dataclass(frozen=True, kw_only=True)
class Finish:
    """What `forward` does to its sums while they are in registers; the residual lies as y does."""

    bias: Tensor | None = None
    residual: Tensor | None = None
    relu: bool = False


def forward(
    layer: Layer,
    x: Tensor,
    weight: Tensor,
    y: Tensor,
    *,
    backwards: bool = False,
    transformed: Tensor | None = None,
    finish: Finish,
) -> None:
    """Write into `y` the convolution, finished.

    `weight` is (filters, channels, axis 0, axis 1, axis 2), with any strides, and is read with its
    taps `backwards` if asked for; `transformed` is what `transform` made of it.
    """
    threads = torch.get_num_threads()
    shape = _shape(layer, x.stride()[:4], y.stride()[:4])
    schedule = _forward_schedule(layer, transformed is None, threads)
    start, kernel = _taps(tuple(weight.shape[2:]), weight.stride(), backwards)
    weights = _Weights(weight.data_ptr() + start, kernel, _address(transformed))
    done = _native().harness_winograd_forward(
        _triple(layer.tile),
        byref(shape),
        byref(schedule),
        x.data_ptr(),
        byref(weights),
        y.data_ptr(),
        _address(finish.bias),
        _address(finish.residual),
        finish.relu,
    )
    _must(done)


def transform(layer: Layer, weight: Tensor) -> Tensor:
    """The weights as `forward` takes them; they serve inputs of any size and batch."""
    anywhere = _shape(layer, (0,) * 4, (0,) * 4)
    size = _native().harness_winograd_size(_triple(layer.tile), byref(anywhere))
    transformed = torch.empty(size, dtype=torch.float32, device="cpu")
    done = _native().harness_winograd_weights(
        _triple(layer.tile),
        byref(anywhere),
        byref(_taps(tuple(weight.shape[2:]), weight.stride(), False)[1]),
        weight.data_ptr(),
        transformed.data_ptr(),
        torch.get_num_threads(),
    )
    _must(done)
    return transformed


def weight_gradient(layer: Layer, x: Tensor, gradient: Tensor, out: Tensor) -> None:
    """Write into `out` what `forward` passes back to its weight, for the gradient of its output."""
    shape = _shape(layer, x.stride()[:4], gradient.stride()[:4])
    done = _native().harness_winograd_weight_gradient(
        _triple(layer.tile),
        byref(shape),
        byref(_gradient_schedule(layer, torch.get_num_threads())),
        byref(_taps(tuple(out.shape[2:]), out.stride(), False)[1]),
        x.data_ptr(),
        gradient.data_ptr(),
        out.data_ptr(),
    )
    _must(done)


def _must(done: int) -> None:
    if done != 1:
        raise MemoryError("no memory for the transforms") if done < 0 else AssertionError("tile")


@lru_cache(maxsize=1024)
def _shape(layer: Layer, in_stride: tuple[int, ...], out_stride: tuple[int, ...]) -> _Shape:
    return _Shape(
        layer.batch,
        _triple(layer.inputs),
        _triple(layer.outputs),
        _triple(layer.padding),
        layer.channels,
        layer.filters,
        (c_int64 * 4)(*in_stride),
        (c_int64 * 4)(*out_stride),
        layer.taps,
    )


@lru_cache(maxsize=1024)
def _forward_schedule(layer: Layer, raw: bool, threads: int) -> _Schedule:
    """Small blocks while the transformed weights stay in a cache, larger ones beyond.

    Where these are larger than all that is computed with them, they are not written down at all:
    each panel of raw weights is transformed as it is used.
    """
    tiles = 24 if layer.transformed_bytes <= 4 * MEGABYTE else 64 if layer.taps > 1 else 48
    inputs = 4 * layer.positions * layer.tiles * layer.channels
    few = -(-layer.tiles // tiles) < threads <= -(-layer.filters // 16)
    if few or (raw and layer.transformed_bytes > 16 * MEGABYTE and inputs <= 32 * MEGABYTE):
        return _Schedule(layer.tiles, True, threads)
    blocks = max(-(-layer.tiles // tiles), threads)
    return _Schedule(-(-layer.tiles // blocks), False, threads)


@lru_cache(maxsize=1024)
def _gradient_schedule(layer: Layer, threads: int) -> _Schedule:
    """Few blocks, since each of them goes through all of the gradient."""
    tiles = 128 if layer.positions <= 64 * layer.taps else 64
    return _Schedule(layer.tiles if layer.tiles <= 2 * tiles else tiles, False, threads)


@lru_cache(maxsize=1024)
def _taps(kernel: tuple[int, ...], stride: tuple[int, ...], backwards: bool) -> tuple[int, _Kernel]:
    """Where the first tap stands, in bytes from the first weight, and all of their strides."""
    filters, channels, *along = stride
    if not backwards:
        return 0, _Kernel(filters, channels, _triple(tuple(along)))
    last = sum((r - 1) * step for r, step in zip(kernel, along, strict=True))
    return 4 * last, _Kernel(filters, channels, _triple(tuple(-step for step in along)))


@lru_cache(maxsize=1024)
def _triple(values: Sequence[int]) -> "ctypes.Array[c_int64]":
    return (c_int64 * 3)(*values)


def _address(tensor: Tensor | None) -> int | None:
    return None if tensor is None else tensor.data_ptr()
