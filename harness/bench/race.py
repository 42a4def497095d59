"""Timing several calls against each other: in turns, so that what disturbs one disturbs all."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import TypeVar

import numpy as np

Call = Callable[[], object]
Clock = Callable[[], float]  # seconds
Name = TypeVar("Name", bound=Hashable)

LEAST, MOST = 7, 80  # rounds
TURN = 0.02  # seconds; turns of longer calls are one call


@dataclass(frozen=True, kw_only=True)
class Times:
    """Milliseconds of one call: median, quartiles, 90th percentile, least."""

    median: float
    low: float
    high: float
    p90: float
    least: float
    rounds: int


def race(
    calls: Mapping[Name, Call],
    clock: Clock,
    *,
    seconds: float,
    wall: Clock = perf_counter,
    least: int = LEAST,
    most: int = MOST,
) -> dict[Name, Times]:
    """A B C A B C ... for `seconds` of wall time, after a round that warms up and is not counted.

    A turn is one call that is not timed and then some that are, the same number for all: as many as
    the fastest makes in TURN seconds (of no more than there are), one at least. Their mean counts,
    so that the caches hold what the call itself leaves there and not what the others do. At least
    `least` rounds, however long they take, and at most `most`.
    """
    each = max(1, round(min(TURN, seconds) / max(min(_warm_up(calls, clock)), 1e-9)))
    taken: dict[Name, list[float]] = {name: [] for name in calls}
    began, rounds = wall(), 0
    while rounds < least or (rounds < most and wall() - began < seconds):
        for name, call in calls.items():
            call()
            before = clock()
            for _ in range(each):
                call()
            taken[name].append((clock() - before) / each)
        rounds += 1
    return {name: times_of(values) for name, values in taken.items()}


def _warm_up(calls: Mapping[Name, Call], clock: Clock) -> list[float]:
    """Seconds of a second call of each."""
    taken = []
    for call in calls.values():
        call()
        before = clock()
        call()
        taken.append(clock() - before)
    return taken


def times_of(seconds: Sequence[float]) -> Times:
    low, median, high, p90 = (1000 * float(q) for q in np.percentile(seconds, [25, 50, 75, 90]))
    return Times(
        median=median,
        low=low,
        high=high,
        p90=p90,
        least=1000 * min(seconds),
        rounds=len(seconds),
    )
