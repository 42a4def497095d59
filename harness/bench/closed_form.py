"""Multiplications of a convolution in closed form, for each way to compute it.

References: Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016, section
4.1 (the arithmetic of F(m, r)), https://arxiv.org/abs/1509.09308

Counts are for one sample. A layer is given by its axes: length, kernel, stride, padding, dilation.
Direct: every output times every tap, as papers count. Valid: without the taps that fall on zero
padding, which a good direct kernel skips; speed-ups are judged against these. Winograd: the n^d
products of each tile, and those that are left of a tile at the end of an image, as the native
kernels compute it. The transforms are additions and multiplications by constants and are not
counted, as in the paper.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from harness.convs.cook_toom import outputs_left
from harness.convs.geometry import Conv


@dataclass(frozen=True, kw_only=True)
class Extent:
    """One axis of a convolution; `before` and `after` are its zero padding."""

    length: int
    kernel: int
    stride: int = 1
    dilation: int = 1
    before: int = 0
    after: int = 0

    @property
    def outputs(self) -> int:
        reach = self.dilation * (self.kernel - 1) + 1
        return (self.length + self.before + self.after - reach) // self.stride + 1

    @property
    def valid(self) -> int:
        """Pairs of an output and a tap that meet inside the input."""
        starts = range(-self.before, self.outputs * self.stride - self.before, self.stride)
        return sum(
            0 <= start + tap * self.dilation < self.length
            for start in starts
            for tap in range(self.kernel)
        )

    @property
    def is_one(self) -> bool:
        """Whether one value is seen by one tap."""
        return self.length == self.outputs == 1

    def transformed(self, m: int, *, shorten: bool = False) -> int:
        """Products of F(m, r) along this axis; for m = 1 those of direct sums, padding skipped.

        `shorten`: the last tile takes no more than it has to.
        """
        if m == 1:
            return self.valid
        tiles = -(-self.outputs // m)
        spared = m - outputs_left(self.outputs, m) if shorten else 0
        return tiles * (m + self.kernel - 1) - spared


def extents(conv: Conv, size: Sequence[int]) -> list[Extent]:
    """The axes of `conv` for an input of `size` ([frames,] height, width)."""
    axes = []
    for axis, length in enumerate(size):
        kernel, dilation = conv.kernel_size[axis], conv.dilation[axis]
        before, after = _padding(conv, axis)
        axes.append(
            Extent(
                length=length,
                kernel=kernel,
                stride=conv.stride[axis],
                dilation=dilation,
                before=before,
                after=after,
            )
        )
    return axes


def _padding(conv: Conv, axis: int) -> tuple[int, int]:
    if conv.padding == "same":
        total = conv.dilation[axis] * (conv.kernel_size[axis] - 1)
        return total // 2, total - total // 2
    pad = 0 if isinstance(conv.padding, str) else conv.padding[axis]
    return pad, pad


def direct(conv: Conv, size: Sequence[int]) -> int:
    """MACs with padded taps, as torch's counter has them."""
    return _channels(conv) * prod(axis.outputs * axis.kernel for axis in extents(conv, size))


def valid(conv: Conv, size: Sequence[int]) -> int:
    """MACs whose tap lies inside the input."""
    return _channels(conv) * prod(axis.valid for axis in extents(conv, size))


def winograd(conv: Conv, size: Sequence[int], tile: Sequence[int]) -> int:
    """Products of the transformed domain, for tiles of `tile` outputs ([frames,] rows, columns).

    An axis of length one is summed directly, one tap of it, unless no other axis is transformed.
    Where three are transformed, the last tiles are whole along the first of them.
    """
    axes = list(zip(extents(conv, size), tile, strict=True))
    if any(m > 1 and not axis.is_one for axis, m in axes):
        axes = [(axis, 1 if axis.is_one else m) for axis, m in axes]
    whole = 1 if sum(m > 1 for _, m in axes) == 3 else 0
    return _channels(conv) * prod(
        axis.transformed(m, shorten=i >= whole) for i, (axis, m) in enumerate(axes)
    )


def reduction(m: int, r: int, dimensions: int) -> float:
    """Direct products over those of F(m, r) nested over `dimensions` axes, without edges.

    >>> reduction(2, 3, 2), reduction(4, 3, 2), reduction(2, 3, 3)
    (2.25, 4.0, 3.375)
    """
    return (m * r / (m + r - 1)) ** dimensions


def limit(conv: Conv, size: Sequence[int], tile: Sequence[int]) -> float:
    """How much less Winograd multiplies than a direct kernel that skips padding."""
    return valid(conv, size) / winograd(conv, size, tile)


def _channels(conv: Conv) -> int:
    return conv.out_channels * conv.in_channels // conv.groups
