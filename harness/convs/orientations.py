"""The orientations of images, flow and feature maps, and kernels that come in all of them.

Orientation r + 4 m is what a mirror (m times, left and right change places) and then r quarter
turns anticlockwise make. A map has `order` of them, 4 or 8: channel `order` c + g is feature c in
orientation g. See harness.convs.operators.group.
"""

from functools import partial
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

Sees = Literal["scalars", "vectors", "map"]


def inverse_times(g: int, h: int) -> int:
    """The orientation that g turns into h.

    >>> [inverse_times(1, h) for h in range(4)]  # a quarter turn
    [3, 0, 1, 2]
    >>> [inverse_times(4, h) for h in range(8)]  # a mirror
    [4, 7, 6, 5, 0, 3, 2, 1]
    """
    turns = h - g if g < 4 else g - h
    return turns % 4 + 4 * (g // 4 ^ h // 4)


def turned(x: Tensor, g: int) -> Tensor:
    """Images, or kernels, in orientation g: the last two axes are height and width."""
    return torch.rot90(x.flip(-1) if g >= 4 else x, g % 4, (-2, -1))


def turned_vectors(x: Float[Tensor, "batch two_l *size"], g: int) -> Tensor:
    """Fields of displacements in orientation g: channels are u (right) and v (down) in turn.

    What moves to the right moves up after a quarter turn, and to the left in a mirror.
    """
    u, v = x.unflatten(1, (-1, 2)).unbind(2)
    u = -u if g >= 4 else u
    for _ in range(g % 4):
        u, v = v, -u
    return turned(torch.stack((u, v), 2).flatten(1, 2), g)


def turned_map(x: Float[Tensor, "batch channels *size"], g: int, order: int) -> Tensor:
    """Feature maps in orientation g: turned, and each orientation's in another one's place."""
    parts = x.unflatten(1, (-1, order)).unbind(2)
    moved = [parts[inverse_times(g, h)] for h in range(order)]
    return turned(torch.stack(moved, 2).flatten(1, 2), g)


class Orientations(nn.Module):
    """Generates a kernel, (out, in, ...), from its first orientation, (out / n, in, ...)."""

    def __init__(self, order: int, sees: Sees) -> None:
        super().__init__()
        acts = {"scalars": turned, "vectors": turned_vectors}
        self.order, self.act = order, acts.get(sees, partial(turned_map, order=order))

    def forward(self, first: Tensor) -> Tensor:
        every = [self.act(first, g) for g in range(self.order)]
        return torch.stack(every, dim=1).flatten(0, 1)

    def right_inverse(self, kernel: Tensor) -> Tensor:
        return kernel[:: self.order].clone()


class Shared(nn.Module):
    """Generates a bias: one value for all orientations of a feature."""

    def __init__(self, order: int) -> None:
        super().__init__()
        self.order = order

    def forward(self, one: Tensor) -> Tensor:
        return one.repeat_interleave(self.order)

    def right_inverse(self, bias: Tensor) -> Tensor:
        return bias[:: self.order].clone()
