"""A rectangle of pixels."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Size = tuple[int, int]  # height, width
Pair = tuple[int, ...] | np.ndarray  # likewise, however it was computed


@dataclass(frozen=True, kw_only=True)
class Box:
    """Rows `top` to `bottom` and columns `left` to `right` of a frame, ends not included."""

    top: int
    left: int
    height: int
    width: int

    @classmethod
    def of(cls, size: Pair, corner: Pair) -> "Box":
        """A box of a size, from its upper left corner."""
        (height, width), (top, left) = map(int, size), map(int, corner)
        return cls(top=top, left=left, height=height, width=width)

    @property
    def size(self) -> Size:
        return self.height, self.width

    @property
    def bottom(self) -> int:
        return self.top + self.height

    @property
    def right(self) -> int:
        return self.left + self.width


Crop = Callable[[Size, Size, np.random.Generator], Box]  # (frame, size, rng) -> box
