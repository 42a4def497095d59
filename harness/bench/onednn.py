"""Convolutions that never leave oneDNN.

On small inputs at batch 1, and for flat kernels with one thread, PyTorch sends convolutions and
their gradients to plain loops, which were up to five times slower (torch 2.14, R3D-18's layers). A
speed-up over those would be no merit: so this path calls oneDNN whatever the size.
"""

from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from harness.convs.geometry import like
from harness.convs.swap import convolutions


def gradient(upstream: Tensor, x: Tensor, weight: Tensor, geometry: Any, mask: list[bool]) -> Any:
    """(input's, weight's, bias's) gradients where `mask` asks; x and upstream as oneDNN tensors."""
    stride, padding, dilation, groups = geometry
    return torch.ops.aten.convolution_backward(
        upstream,
        x,
        weight,
        [len(weight)],
        stride,
        padding,
        dilation,
        False,
        [0] * len(padding),
        groups,
        mask,
    )


class _Convolution(torch.autograd.Function):
    """torch.mkldnn_convolution with its gradients."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, geometry: Any) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.geometry = geometry
        stride, padding, dilation, groups = geometry
        return torch.mkldnn_convolution(x, weight, bias, padding, stride, dilation, groups)

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> Any:
        x, weight = ctx.saved_tensors
        mask = list(ctx.needs_input_grad[:3])
        found = gradient(upstream.to_mkldnn(), x.to_mkldnn(), weight, ctx.geometry, mask)
        return *(g.to_dense() if g is not None and g.is_mkldnn else g for g in found), None


class _Conv2d(nn.Conv2d):
    def forward(self, input: Tensor) -> Tensor:
        return _call(self, input)


class _Conv3d(nn.Conv3d):
    def forward(self, input: Tensor) -> Tensor:
        return _call(self, input)


def _call(conv: Any, x: Tensor) -> Tensor:
    geometry = conv.stride, conv.padding, conv.dilation, conv.groups
    result: Tensor = _Convolution.apply(x, conv.weight, conv.bias, geometry)
    return result


def by_onednn(network: nn.Module) -> nn.Module:
    """A copy whose convolutions all run on oneDNN; those it cannot express stay as they are."""
    copy = deepcopy(network)
    for path, conv in convolutions(copy).items():
        if conv.padding_mode == "zeros" and not isinstance(conv.padding, str):
            kind: Any = _Conv2d if isinstance(conv, nn.Conv2d) else _Conv3d
            copy.set_submodule(path, like(conv, kind))
    return copy
