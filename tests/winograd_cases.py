"""Convolutions for the native Winograd kernels: all that they take, in every layout."""

from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
import torch
from hypothesis import strategies as st
from torch import nn

from harness.convs.algorithms.winograd import Winograd
from harness.convs.algorithms.winograd_calls import forget_plans
from harness.convs.native import winograd as native
from harness.convs.native.library import unavailable

KERNELS = {
    2: [(3, 3), (1, 3), (3, 1)],
    3: [(3, 3, 3), (1, 3, 3), (3, 1, 3), (3, 3, 1), (3, 1, 1), (1, 3, 1), (1, 1, 3)],
}
TILES = {
    2: ["auto", 2, 4, [2, 4], [4, 2], [1, 4], [2, 1]],
    3: ["auto", 2, 4, [2, 4, 4], [4, 4, 2], [1, 4, 4], [2, 1, 4], [1, 2, 2]],
}
LAYOUTS = (
    "contiguous",
    "channels last",
    "strided",
    "part",
    "transposed",
    "expanded",
    "one for all",
)

needs_native = pytest.mark.skipif(unavailable() is not None, reason=unavailable() or "")


def last(x):
    return x.contiguous(memory_format=[torch.channels_last, torch.channels_last_3d][x.dim() - 4])


def laid(x, layout):
    """`x` in another layout; what lies between its values in memory is not a number."""
    nothing = torch.full_like(x, torch.nan)
    layouts = {
        "contiguous": lambda: x,
        "channels last": lambda: last(x),
        "strided": lambda: torch.stack([x, nothing], -1)[..., 0],
        "part": lambda: last(torch.cat([nothing, x, nothing], 1))[:, x.shape[1] : 2 * x.shape[1]],
        "transposed": lambda: x.transpose(-1, -2).contiguous().transpose(-1, -2),
        "expanded": lambda: x[..., :1, :1].contiguous().expand_as(x),  # as a mean's gradient is
        "one for all": lambda: x[:1].expand_as(x) if len(x) else x,
    }
    return layouts[layout]()


@dataclass
class Case:
    """A convolution in float32, with a `shortcut` to add or None; `gradient` is one of its output.

    `schedule` is (tiles of a block, threads share output channels, positions come first), or None
    for the usual one.
    """

    conv: nn.Conv2d | nn.Conv3d
    tile: str | int | list[int]
    x: torch.Tensor
    gradient: torch.Tensor
    shortcut: torch.Tensor | None
    relu: bool
    threads: int
    schedule: tuple[int, bool, bool] | None

    def swapped(self):
        new = Winograd(tile=self.tile).replace(self.conv)
        new.relu = self.relu
        return new


def suits(tile, kernel):
    conv = (nn.Conv2d if len(kernel) == 2 else nn.Conv3d)(1, 1, kernel)
    return Winograd(tile=tile).refuses(conv) is None


# Before any strategy is drawn: beartype's checks draw random numbers of their own.
SUITING = {
    kernel: [tile for tile in TILES[axes] if suits(tile, kernel)]
    for axes, kernels in KERNELS.items()
    for kernel in kernels
}


@st.composite
def cases(draw, most=70):
    dimensions = draw(st.sampled_from([2, 3]))
    kernel = draw(st.sampled_from(KERNELS[dimensions]))
    padding = draw(st.sampled_from(["same", "valid", 0, 1, 1, 2]))
    each = padding if isinstance(padding, str) else [min(padding, r - 1) for r in kernel]
    conv = [nn.Conv2d, nn.Conv3d][dimensions - 2](
        draw(st.integers(1, most)),
        draw(st.integers(1, most)),
        kernel,
        padding=each,
        bias=draw(st.booleans()),
    )
    ends = {"same": [r // 2 for r in kernel], "valid": [0] * dimensions}.get(padding, each)
    smallest = [max(1, r - 2 * p) for r, p in zip(kernel, ends, strict=True)]
    size = [n + draw(st.integers(0, 9 if i else 4)) for i, n in enumerate(smallest)]
    outputs = [n + 2 * p - r + 1 for n, p, r in zip(size, ends, kernel, strict=True)]
    torch.manual_seed(draw(st.integers(0, 99)))
    if draw(st.booleans()):
        conv.weight.data = last(conv.weight.data)
    batch, layouts = draw(st.integers(0, 3)), st.sampled_from(LAYOUTS)
    y = [batch, conv.out_channels, *outputs]
    return Case(
        conv=conv,
        tile=draw(st.sampled_from(SUITING[kernel])),
        x=laid(torch.randn(batch, conv.in_channels, *size), draw(layouts)),
        gradient=laid(torch.randn(y), draw(layouts)),
        shortcut=laid(torch.randn(y), draw(layouts)) if draw(st.booleans()) else None,
        relu=draw(st.booleans()),
        threads=draw(st.sampled_from([1, 2])),
        schedule=draw(st.none() | st.tuples(st.integers(1, 40), st.booleans(), st.booleans())),
    )


@contextmanager
def threads(count):
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    yield
    torch.set_num_threads(before)


@contextmanager
def as_scheduled(case):
    with pytest.MonkeyPatch.context() as patch, threads(case.threads):
        if case.schedule is not None:
            chosen = native.Schedule(*case.schedule, case.threads)
            patch.setattr(native, "forward_schedule", lambda *_, **__: chosen)
            patch.setattr(native, "gradient_schedule", lambda *_: chosen)
            forget_plans()
        yield
    if case.schedule is not None:
        forget_plans()


def errors(ours: Sequence, theirs: Sequence, scales: Sequence) -> list[float]:
    """The largest error of each, relative to the largest sum of what its products are in size."""
    return [
        float((a.detach().double() - b).abs().max() / s.max()) if b.numel() else 0.0
        for a, b, s in zip(ours, theirs, scales, strict=True)
    ]
