"""The binding of ilpm.cpp: a direct convolution in single precision on the processor."""

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from harness.convs.geometry import channels_last

PLACE: dict[str, Any] = {"device": "cpu", "dtype": torch.float32}  # whatever the defaults are


@dataclass(frozen=True, kw_only=True)
class Direct:
    """A library and a geometry, its axes [frames,] height, width; `padding` is what is before.

    Tensors are plain memory of the processor. MemoryError where there is no more of it.
    """

    library: ctypes.CDLL
    stride: Sequence[int]
    padding: Sequence[int]
    dilation: Sequence[int]

    def pack(self, weight: Tensor) -> Tensor:
        """The weights as [output channels / lanes][channels][taps][lanes]."""
        weight = weight.resolve_neg()  # memory may hold the negative of what a view stands for
        shape = self._shape(weight[:0], weight, weight[:0])
        self.library.harness_ilpm_packed.restype = ctypes.c_int64
        packed = torch.empty(self.library.harness_ilpm_packed(shape), **PLACE)
        threads = torch.get_num_threads()
        _must(self.library.harness_ilpm_pack(shape, _at(weight), _at(packed), threads))
        return packed

    def convolve(
        self, x: Tensor, weight: Tensor, packed: Tensor, bias: Tensor | None, size: Sequence[int]
    ) -> Tensor:
        """The output of `size`; its channels come last in memory if those of `x` do."""
        x = x.resolve_neg()
        last = channels_last(x.dim() - 2)
        alike = x.is_contiguous(memory_format=last) and not x.is_contiguous()
        y = torch.empty(
            *(len(x), len(weight), *size),
            memory_format=last if alike else torch.contiguous_format,
            **PLACE,
        )
        bias = None if bias is None else bias.resolve_neg().contiguous()
        done = self.library.harness_ilpm_forward(
            self._shape(x, weight, y), *map(_at, (x, packed, bias, y)), torch.get_num_threads()
        )
        _must(done)
        return y

    def _shape(self, x: Tensor, weight: Tensor, y: Tensor) -> ctypes.Array[ctypes.c_int64]:
        """IlpmShape in C++; an image is a clip of one frame."""
        flat = x.dim() == 4
        ones, zeros = [1] * flat, [0] * flat
        fields = [
            *(len(x), weight.shape[1], len(weight)),
            *ones, *x.shape[2:], *ones, *y.shape[2:], *ones, *weight.shape[2:],
            *ones, *self.stride, *zeros, *self.padding, *ones, *self.dilation,
        ]  # fmt: skip
        for tensor in (x, y, weight):
            sample, channel, *others = tensor.stride()
            fields += [sample, channel, *zeros, *others]
        return (ctypes.c_int64 * len(fields))(*fields)


def _must(done: int) -> None:
    if done != 1:
        raise MemoryError("no memory for a direct convolution")


def _at(tensor: Tensor | None) -> ctypes.c_void_p:
    return ctypes.c_void_p(None if tensor is None else tensor.data_ptr())
