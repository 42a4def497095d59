"""A rectangle of pixels."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Box:
    """Rows `top` to `bottom` and columns `left` to `right` of a frame, ends not included."""

    top: int
    left: int
    height: int
    width: int

    @property
    def bottom(self) -> int:
        return self.top + self.height

    @property
    def right(self) -> int:
        return self.left + self.width
