"""Axes of a figure: from values to SVG units, with ticks at round numbers."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil, floor, log10

from harness.report.columns import Column


@dataclass(frozen=True, kw_only=True)
class Axis:
    """Values from `low` to `high` stand between `start` and `end`; ticks are (position, text)."""

    low: float
    high: float
    start: float
    end: float
    logarithmic: bool = False
    ticks: tuple[tuple[float, str], ...] = ()

    def __call__(self, value: float) -> float:
        """Where a value stands; what lies beyond an end is cut at it."""
        low, high, at = self.low, self.high, min(max(value, self.low), self.high)
        if self.logarithmic:
            low, high, at = log10(low), log10(high), log10(at)
        return round(self.start + (at - low) / (high - low) * (self.end - self.start), 1)


def linear(values: Sequence[float], start: float, end: float, kind: Column) -> Axis:
    """A little wider than the values, but a share stays between 0 and 1."""
    low, high = min(values), max(values)
    margin = 0.06 * (high - low) or 0.05 * abs(low) or 1.0
    low, high = low - margin, high + margin
    if kind.share:
        low, high = max(low, -0.005), min(high, 1.005)
    step = _round_step((high - low) / 6)
    marks = [k * step for k in range(ceil(low / step), floor(high / step) + 1)]
    axis = Axis(low=low, high=high, start=start, end=end)
    scale = 100 if kind.share else 1
    return replace(axis, ticks=tuple((axis(mark), f"{scale * mark:.6g}") for mark in marks))


def logarithmic(values: Sequence[float], start: float, end: float, kind: Column) -> Axis:
    """Ticks at 1, 2 and 5 of each decade, or at the decades alone where they are many."""
    low, high = min(values) / 1.3, max(values) * 1.3
    steps = (1, 2, 5) if high / low < 300 else (1,)
    decades = range(floor(log10(low)), ceil(log10(high)) + 1)
    marks = [s * 10.0**d for d in decades for s in steps if low <= s * 10.0**d <= high]
    axis = Axis(low=low, high=high, start=start, end=end, logarithmic=True)
    texts = [kind.show(mark).replace(".00", "").replace(".0 ", " ") for mark in marks]
    return replace(axis, ticks=tuple(zip(map(axis, marks), texts, strict=True)))


def _round_step(least: float) -> float:
    """The smallest of 1, 2, 5 times a power of ten that is not below `least`."""
    power = 10.0 ** floor(log10(least))
    return next(m * power for m in (1, 2, 5, 10) if m * power >= least * (1 - 1e-9))
