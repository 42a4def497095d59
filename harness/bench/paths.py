"""Every path by which a PyTorch user computes a convolution: what ours is measured against.

A path is a name and a call, or the reason why it does not run here. Traps that a fair baseline
must step around, all seen with torch 2.14 on a CPU: at batch 1, and for a 3x1x1 kernel with one
thread, F.conv3d and its gradients leave oneDNN for loops that are two to five times slower; an
eager call lays the weights out anew each time. So weights packed beforehand (as inductor's freezing
does) run too, gradients also by oneDNN alone, and a kernel that is flat along some axes runs as the
two-dimensional convolution that it is.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from harness.bench.compiled import frozen
from harness.bench.onednn import gradient
from harness.bench.race import Call
from harness.convs.geometry import Conv, channels_last
from harness.errors import UserError

WRONG = 1e-3  # relative error beyond which a path does not compute the convolution
TRIALS = 3  # a path may fail the first time, or the next
PARTS = ("forward", "input gradient", "weight gradient")


@dataclass(frozen=True, kw_only=True)
class Operands:
    """One convolution in one memory layout: stride 1, no bias."""

    x: Tensor
    weight: Tensor
    padding: tuple[int, ...]

    @property
    def ones(self) -> list[int]:
        return [1] * len(self.padding)

    def to(self, memory_format: torch.memory_format) -> "Operands":
        return Operands(
            x=self.x.contiguous(memory_format=memory_format),
            weight=self.weight.contiguous(memory_format=memory_format),
            padding=self.padding,
        )

    def eager(self) -> Tensor:
        conv = F.conv2d if len(self.padding) == 2 else F.conv3d
        return conv(self.x, self.weight, padding=self.padding)

    def onednn(self) -> Tensor:
        ones = self.ones
        return torch.mkldnn_convolution(self.x, self.weight, None, self.padding, ones, ones, 1)

    def gradients(self, upstream: Tensor) -> tuple[Call, Call]:
        """The input's gradient alone, and the weights' alone."""
        geometry = self.ones, self.padding, self.ones, 1
        of = partial(gradient, upstream, self.x, self.weight, geometry)
        return partial(of, [True, False, False]), partial(of, [False, True, False])


def layouts(conv: Conv, x: Tensor) -> dict[str, Operands]:
    """The same convolution in each memory layout, and in two dimensions where that is possible."""
    padding = tuple(int(p) for p in conv.padding)
    given = Operands(x=x, weight=conv.weight.detach(), padding=padding)
    both = {
        "contiguous": given.to(torch.contiguous_format),
        "channels_last": given.to(channels_last(len(padding))),
    }
    recast = {f"{name} conv2d": flat for name, o in both.items() if (flat := as_conv2d(o))}
    if sum(k > 1 for k in conv.kernel_size) == 1 and len(padding) == 3:
        assert conv.kernel_size[0] == 1 or recast, "a 3x1x1 kernel must run as conv2d too"
    return both | recast


def as_conv2d(operands: Operands) -> Operands | None:
    """A kernel of k x 1 x 1 or 1 x k x k in two dimensions: rows and columns as one, or frames
    as samples; None where it has no such form, or not without copying.
    """
    x, weight, padding = operands.x, operands.weight, operands.padding
    if len(padding) == 2:
        return None
    if weight.shape[3] == weight.shape[4] == 1:
        return Operands(x=x.flatten(3), weight=weight.flatten(3), padding=(padding[0], 0))
    if weight.shape[2] == 1 and not x.is_contiguous():
        frames = x.transpose(1, 2).flatten(0, 1)
        return Operands(x=frames, weight=weight[:, :, 0], padding=padding[1:])
    return None


def forward_ways(conv: Conv, x: Tensor, *, compiled: bool = False) -> dict[str, Callable[[], Call]]:
    """What prepares each path; packing and compiling happen when it is called. No gradients."""
    by_layout = layouts(conv, x)
    ways: dict[str, Callable[[], Call]] = {}
    for name, operands in by_layout.items():
        ways[name] = partial(_eager, operands)
        ways[f"{name} prepacked"] = partial(prepacked, operands)
        if compiled and "conv2d" not in name:
            ways[f"{name} compiled"] = partial(frozen, conv, operands.x)
    ways["nnpack"] = partial(nnpack, by_layout["contiguous"])
    return ways


def forward_paths(
    conv: Conv, x: Tensor, *, compiled: bool = False
) -> tuple[dict[str, Call], dict[str, str]]:
    """The calls that run here, and why the others do not, by name."""
    calls: dict[str, Call] = {}
    missing: dict[str, str] = {}
    for name, make in forward_ways(conv, x, compiled=compiled).items():
        try:
            call = make()
            for _ in range(TRIALS):
                _check(name, call(), calls)
        except (RuntimeError, AttributeError, UserError) as error:  # what this torch cannot do
            missing[name] = str(error).strip().splitlines()[0]
        else:
            calls[name] = call
    return calls, missing


def _check(name: str, output: object, calls: Mapping[str, Call]) -> None:
    """A path that computes something else is no baseline; the first one, eager, is the measure."""
    first = next(iter(calls.values()), None)
    if first is None or "conv2d" in name:  # of another shape
        return
    expected = first()
    assert isinstance(output, Tensor)
    assert isinstance(expected, Tensor)
    error = float((output - expected).abs().max() / expected.abs().max())
    if not error < WRONG:
        raise UserError(f"computes something else (relative error {error:.1e})")


def _eager(operands: Operands) -> Call:
    return operands.eager


def prepacked(operands: Operands) -> Call:
    """Of oneDNN: weights in its own layout, as inductor calls it when it freezes a model."""
    ones, padding = operands.ones, list(operands.padding)
    packed = torch.ops.mkldnn._reorder_convolution_weight(
        operands.weight, padding, ones, ones, 1, list(operands.x.shape)
    )
    return lambda: torch.ops.mkldnn._convolution_pointwise(
        operands.x, packed, None, padding, ones, ones, 1, "none", [], ""
    )


def nnpack(operands: Operands) -> Call:
    """NNPACK, the one Winograd and FFT that stock PyTorch has; float32 in two dimensions only.

    It chooses by size: F(6x6, 3x3), or Fourier transforms of 16 x 16.
    """
    if len(operands.padding) == 3:
        raise UserError("NNPACK has no three-dimensional convolution")
    if not torch._nnpack_available():  # which starts it: before, every call fails
        raise UserError("NNPACK does not run on this processor")
    return lambda: torch._nnpack_spatial_convolution(
        operands.x, operands.weight, None, list(operands.padding), operands.ones
    )


def step_paths(conv: Conv, x: Tensor) -> dict[str, dict[str, Call]]:
    """By part of a training step, then layout: each part may take the one that suits it best."""
    calls: dict[str, dict[str, Call]] = {part: {} for part in PARTS}
    for name, operands in layouts(conv, x).items():
        upstream = torch.randn_like(operands.eager())
        ways = {name: (operands.eager, *operands.gradients(upstream))}
        if torch.backends.mkldnn.is_available():
            native = replace(operands, x=operands.x.to_mkldnn())  # not counted: in its favour
            gradients = native.gradients(upstream.to_mkldnn())
            ways[f"{name} onednn"] = (operands.onednn, *gradients)
        for way, of_parts in ways.items():
            for part, call in zip(PARTS, of_parts, strict=True):
                calls[part][way] = call
    return calls
