"""Who leads, who cannot be told from the leader, and which ranks the intervals allow.

Two means are tied where they differ by no more than sqrt(a^2 + b^2), a and b being the half-widths
of their intervals: the unpaired criterion, slightly more cautious than Welch's test. Without an
interval (one run) nothing is called a tie, and no range of ranks is given.
"""

from collections.abc import Sequence
from math import hypot
from typing import Literal

from harness.report.formats import Better
from harness.report.statistics import Estimate

Mark = Literal["best", "tied"] | None


def tied(a: Estimate, b: Estimate) -> bool:
    """
    >>> low = Estimate(mean=0.80, half_width=0.03, n=3)
    >>> tied(low, Estimate(mean=0.84, half_width=0.04, n=3))
    True
    >>> tied(low, Estimate(mean=0.86, half_width=0.04, n=3))
    False
    """
    if a.mean is None or b.mean is None or a.half_width is None or b.half_width is None:
        return False
    return abs(a.mean - b.mean) <= hypot(a.half_width, b.half_width)


def marks(column: Sequence[Estimate], better: Better | None) -> list[Mark]:
    """The best of a column, and what is tied with it; nothing where all are equal."""
    means = {e.mean for e in column if e.mean is not None}
    if better is None or len(means) < 2:
        return [None] * len(column)
    top = max(means) if better == "higher" else min(means)
    leaders = [e for e in column if e.mean == top]
    return [
        "best" if e in leaders else "tied" if any(tied(e, leader) for leader in leaders) else None
        for e in column
    ]


def ranks(scores: Sequence[Estimate], better: Better) -> list[tuple[int, tuple[int, int] | None]]:
    """Each score's rank (equal scores share one), with the least and greatest possible rank.

    The least counts those that are surely better, the greatest all but those surely worse.
    """
    sign = 1 if better == "higher" else -1
    certain = all(e.half_width is not None for e in scores)

    def ahead(a: Estimate, b: Estimate) -> bool:
        return a.mean is not None and b.mean is not None and sign * a.mean > sign * b.mean

    result: list[tuple[int, tuple[int, int] | None]] = []
    for own in scores:
        rank = 1 + sum(ahead(other, own) for other in scores)
        least = 1 + sum(ahead(other, own) and not tied(other, own) for other in scores)
        most = len(scores) - sum(ahead(own, other) and not tied(own, other) for other in scores)
        result.append((rank, (least, most) if certain else None))
    return result
