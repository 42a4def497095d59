"""Ours against every path of PyTorch, in one race: who is fastest, and by how much.

A contest has parts (a forward pass has one, a training step three); PyTorch's time is the sum of
the fastest path of each part. A ratio is PyTorch's time over ours: more than 1 is faster.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass

from harness.bench.machine import Bench, Load, withheld
from harness.bench.race import Call, Times, race

Value = str | int | float | bool | None
Row = dict[str, Value]


@dataclass(frozen=True, kw_only=True)
class Contest:
    """`paths`: times by part and name; `ours` by label; `busy`: why no ratio would be honest."""

    paths: dict[str, dict[str, Times]]
    ours: dict[str, Times]
    load: float | None
    busy: str | None

    @property
    def winners(self) -> dict[str, str]:
        """The fastest path of each part."""
        return {
            part: min(times, key=lambda name: times[name].median)
            for part, times in self.paths.items()
        }

    @property
    def baseline(self) -> str:
        """One name if the same path is the fastest of every part."""
        names = list(self.winners.values())
        return names[0] if len(set(names)) == 1 else " + ".join(names)

    @property
    def best(self) -> Times:
        """The times of the winners, added up."""
        won = [self.paths[part][name] for part, name in self.winners.items()]
        return Times(
            median=sum(t.median for t in won),
            low=sum(t.low for t in won),
            high=sum(t.high for t in won),
            p90=sum(t.p90 for t in won),
            least=sum(t.least for t in won),
            rounds=min(t.rounds for t in won),
        )

    def facts(self) -> Row:
        """What is the same for all of ours: the baseline, every path, what else ran."""
        single = len(self.paths) == 1
        return {
            "baseline": self.baseline,
            **_written("baseline_ms", self.best),
            **{
                f"ms/{name}" if single else f"ms/{part}/{name}": times.median
                for part, by_name in self.paths.items()
                for name, times in by_name.items()
            },
            "load": self.load,
            "load_average": os.getloadavg()[0],
        }

    def row(self, label: str, reason: str | None) -> Row:
        """Ours by that label against the baseline; no ratio where there is a reason against it."""
        times = self.ours.get(label)
        reason = reason or self.busy
        fair = times is not None and reason is None
        return {
            **(_written("ms", times) if times else dict.fromkeys(_SPREAD["ms"])),
            "ratio": self.best.median / times.median if fair and times else None,
            "ratio_of_least": self.best.least / times.least if fair and times else None,
            "reason": reason,
        }


_SPREAD = {
    name: [name, *(f"{name}_{end}" for end in ("p25", "p75", "p90", "least"))]
    for name in ("ms", "baseline_ms")
}


def _written(name: str, times: Times) -> Row:
    return dict(
        zip(
            _SPREAD[name],
            (times.median, times.low, times.high, times.p90, times.least),
            strict=True,
        )
    )


def contest(
    paths: Mapping[str, Mapping[str, Call]], ours: Mapping[str, Call], how: Bench, seconds: float
) -> Contest:
    """Run them all in turns for `seconds` of wall time."""
    calls: dict[tuple[str, ...], Call] = {
        (part, name): call for part, by_name in paths.items() for name, call in by_name.items()
    }
    calls |= {(label,): call for label, call in ours.items()}
    with Load() as load:
        taken = race(calls, how.clock, seconds=seconds)
    return Contest(
        paths={part: {name: taken[part, name] for name in names} for part, names in paths.items()},
        ours={label: taken[label,] for label in ours},
        load=load.others,
        busy=withheld(how.clock_name, load.others),
    )
