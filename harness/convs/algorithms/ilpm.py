"""Direct convolution with an output channel in each SIMD lane: ILP-M on a processor.

Reference: Ji, "ILP-M Conv: Optimize Convolution Algorithm for Single-Image Convolution Neural
Network Inference on Mobile GPUs", 2019, https://arxiv.org/abs/1909.02765

As in the paper a thread (here a lane) owns an output channel and some pixels of it, one weight that
is loaded feeds many independent multiply-adds, weights are laid out for that beforehand, and the
input stays as it is: there is no im2col buffer. Unlike its demonstration, stride, padding, dilation
and a third axis are free, and clips work too. The paper's speed-ups are those of mobile GPUs: none
is claimed here.

The C++ code (native/src/ilpm.cpp) computes in single precision on the processor. Where it cannot,
the same sum goes tap by tap in PyTorch, and the label says "reference". Gradients are those of
PyTorch's own convolution. What is traced, compiled or transformed by torch.func goes tap by tap
too, with the gradients of that.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Any

import torch
from torch import Tensor, nn

from harness.convs.algorithms.computed import computed
from harness.convs.geometry import Conv, output_size, paddings, zero_padded
from harness.convs.native.ilpm import Direct
from harness.convs.native.library import library
from harness.convs.native.prepared import Prepared
from harness.convs.precision import in_single_at_least
from harness.convs.tracing import is_eager


@dataclass(frozen=True, kw_only=True)
class Ilpm:
    """Any stride, dilation and zero padding; no groups."""

    @property
    def kernel(self) -> str:
        return "reference" if library() is None else "native"

    def refuses(self, conv: Conv) -> str | None:
        if conv.in_channels == 0:
            return "no channels"
        if conv.groups != 1:
            return f"groups {conv.groups}"
        if conv.padding_mode != "zeros":
            return f"padding mode {conv.padding_mode!r}"
        return None

    def replace(self, conv: Conv) -> nn.Module:
        return computed(conv, partial(_convolve, packed=Prepared()))


def _convolve(x: Tensor, conv: Conv, packed: Prepared) -> Tensor:
    size, pads = output_size(conv, x.shape[2:]), paddings(conv)
    if any(before != after for before, after in pads):
        x = zero_padded(x, pads)
        pads = [(0, 0)] * len(pads)
    geometry = {
        "stride": list(conv.stride),
        "padding": [before for before, _ in pads],
        "dilation": list(conv.dilation),
    }

    def compute(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        expected = (conv.out_channels, conv.in_channels, *conv.kernel_size)
        if weight.shape != expected or (bias is not None and bias.shape != expected[:1]):
            raise ValueError(f"expected a weight of {expected}, got {tuple(weight.shape)}")
        if is_eager(x, weight, bias):
            return _Function.apply(x, weight, bias, geometry, forward)
        return _tap_by_tap(x, weight, bias, size, **geometry)

    def forward(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        places = {(t.device.type, t.dtype) for t in (x, weight, bias) if t is not None}
        code = library() if places == {("cpu", torch.float32)} else None
        if code is None:
            return _tap_by_tap(x, weight, bias, size, **geometry)
        native = Direct(library=code, **geometry)
        if conv.training:  # the weights change with every step
            packed.forget()
            return native.convolve(x, weight, native.pack(weight), bias, size)
        kept = packed.get(conv.weight, lambda: native.pack(weight))
        return native.convolve(x, weight, kept, bias, size)

    return in_single_at_least(x, conv, compute)


class _Function(torch.autograd.Function):
    """A convolution by `forward`, with the gradients of PyTorch's own."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        geometry: dict[str, list[int]],
        forward: Callable[[Tensor, Tensor, Tensor | None], Tensor],
    ) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.geometry = geometry
        return forward(x, weight, bias)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        stride, padding, dilation = ctx.geometry.values()
        for_inputs = torch.ops.aten.convolution_backward(
            gradients[0], x, weight, [len(weight)], stride, padding, dilation,
            False, [0] * len(stride), 1, ctx.needs_input_grad[:3],
        )  # fmt: skip
        return (*for_inputs, None, None)


def _tap_by_tap(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    size: tuple[int, ...],
    *,
    stride: list[int],
    padding: list[int],
    dilation: list[int],
) -> Tensor:
    """The sum over taps of a product over channels: y += w[tap] x[.. + tap], no im2col buffer."""
    x = zero_padded(x, [(pad, pad) for pad in padding])
    y: Tensor | None = None
    taps = product(*[range(length) for length in weight.shape[2:]])
    for tap, of_channels in zip(taps, weight.flatten(2).unbind(2), strict=True):
        axes = zip(tap, size, stride, dilation, strict=True)
        seen = [slice(t * d, t * d + n * s, s) for t, n, s, d in axes]
        term = torch.einsum("nc...,kc->nk...", x[:, :, *seen], of_channels)
        y = term.contiguous() if y is None else y.add_(term)
    assert y is not None
    return y if bias is None else y + bias.view(-1, *[1] * len(size))
