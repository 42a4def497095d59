"""Which trials of a search are trained again with fresh seeds, test split opened.

Trials that keep every constraint come before those that do not; then by rank: those that no other
beats on all objectives, then those that only the first rank beats, and so on; within a rank by the
first objective, then by age. With one objective that is its order. Equal trainings count once.
"""

from collections.abc import Iterator, Mapping, Sequence

from optuna.trial import FrozenTrial

from harness.planning.sweepfile import Objective

Point = tuple[float, ...]  # the smaller the better, objective by objective


def best(
    trials: Sequence[FrozenTrial], goals: Sequence[Objective], k: int, keys: Mapping[int, str]
) -> list[FrozenTrial]:
    """`keys`: which training each trial is, by its number."""
    chosen: dict[str, FrozenTrial] = {}
    for feasible in (True, False):
        among = [trial for trial in trials if _feasible(trial) == feasible]
        for trial in _in_order(among, goals):
            if len(chosen) == k:
                return list(chosen.values())
            chosen.setdefault(keys[trial.number], trial)
    return list(chosen.values())


def _feasible(trial: FrozenTrial) -> bool:
    return all(value <= 0 for value in (trial.constraints or {}).values())


def _in_order(trials: Sequence[FrozenTrial], goals: Sequence[Objective]) -> Iterator[FrozenTrial]:
    left = [(point(trial.values, goals), trial.number, trial) for trial in trials]
    left.sort(key=lambda entry: entry[:2])
    while left:
        front = _front([at for at, *_ in left])
        yield from (left[index][2] for index in front)
        left = [entry for index, entry in enumerate(left) if index not in front]


def point(values: Sequence[float], goals: Sequence[Objective]) -> Point:
    return tuple(
        -value if goal.direction == "maximize" else value
        for value, goal in zip(values, goals, strict=True)
    )


def _front(points: Sequence[Point]) -> dict[int, Point]:
    """Those that no other beats, of points in order: who is beaten is beaten by an earlier one."""
    front: dict[int, Point] = {}
    for index, at in enumerate(points):
        if not any(_beats(other, at) for other in front.values()):
            front[index] = at
    return front


def _beats(one: Point, other: Point) -> bool:
    return one != other and all(a <= b for a, b in zip(one, other, strict=True))
