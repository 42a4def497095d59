"""What a few runs say: a mean, how far it can be trusted, and differences paired by seed.

Intervals are two-sided 95 % Student t-intervals of a mean over runs: they cover the chance of
training (seeds), not the choice of the test videos, which `wilson` covers for a proportion
(Wilson, 1927, JASA 22, 209-212). With few seeds they are wide: the half-width is 12.7 standard
errors at two seeds, 4.3 at three, 2.8 at five.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from math import fsum, hypot, sqrt
from typing import TypeVar

from scipy import special  # the quantiles alone: scipy.stats takes a second to import

LEVEL = 0.95
Run = TypeVar("Run", bound=Hashable)


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A mean of `n` values and the half-width of its interval, None where n < 2."""

    mean: float | None = None
    half_width: float | None = None
    n: int = 0


def mean(values: Sequence[float]) -> float | None:
    return fsum(values) / len(values) if values else None


def sample_sd(values: Sequence[float]) -> float | None:
    """The square root of the unbiased variance: the divisor is n - 1."""
    if len(values) < 2:
        return None
    centre = fsum(values) / len(values)
    return sqrt(fsum((value - centre) ** 2 for value in values) / (len(values) - 1))


def half_width(values: Sequence[float]) -> float | None:
    """t(n - 1) * sd / sqrt(n)."""
    spread = sample_sd(values)
    if spread is None:
        return None
    return float(special.stdtrit(len(values) - 1, (1 + LEVEL) / 2)) * spread / sqrt(len(values))


def estimate(values: Sequence[float]) -> Estimate:
    return Estimate(mean=mean(values), half_width=half_width(values), n=len(values))


def paired(values: Mapping[Run, float], baseline: Mapping[Run, float]) -> Estimate:
    """The mean of value - baseline over the runs (seeds) that both have: the seed cancels out.

    >>> paired({0: 3.0, 1: 5.0, 2: 9.0}, {0: 1.0, 1: 3.0}).mean
    2.0
    """
    return estimate([values[run] - baseline[run] for run in values if run in baseline])


def average(estimates: Sequence[Estimate]) -> Estimate:
    """The mean of independent means: half-widths add in quadrature; `n` is the smallest."""
    means = [e.mean for e in estimates if e.mean is not None]
    halves = [e.half_width for e in estimates if e.half_width is not None]
    if not means or len(means) < len(estimates):
        return Estimate()
    known = len(halves) == len(estimates)
    return Estimate(
        mean=mean(means),
        half_width=hypot(*halves) / len(halves) if known else None,
        n=min(e.n for e in estimates),
    )


def wilson(successes: int, n: int) -> tuple[float, float]:
    """The Wilson score interval of a proportion; (0, 1) where nothing was counted.

    >>> [round(end, 3) for end in wilson(81, 100)]
    [0.722, 0.875]
    """
    if n == 0:
        return 0.0, 1.0
    z = float(special.ndtri((1 + LEVEL) / 2))
    share, shrink = successes / n, 1 + z**2 / n
    centre = (share + z**2 / (2 * n)) / shrink
    reach = z * sqrt(share * (1 - share) / n + z**2 / (4 * n**2)) / shrink
    return max(0.0, centre - reach), min(1.0, centre + reach)
