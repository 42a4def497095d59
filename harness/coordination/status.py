"""How far plans are, from their files alone: nothing is asked of the coordinator.

Counts come from the records, what is at work and what waits from plan.jsonl. Rates come from the
monotonic seconds in that log, so that a clock set back changes none of them.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.coordination.failures import class_of
from harness.coordination.lock import at_work, folder_of_plan, plan_names, silence
from harness.coordination.planlog import Place, last_run
from harness.coordination.retention import Rule
from harness.files import read_json, read_json_lines
from harness.results.record import Record
from harness.results.store import load, record_files

RECENT = 20  # cells whose ends say how fast it goes


@dataclass(frozen=True)
class Running:
    """A cell at work: whole epochs from its log, steps as last heard."""

    key: str
    arm: str
    dataset: str
    split: str
    seed: int
    trial: int | None
    stage: str
    epoch: int
    epochs: int
    step: int | None
    steps: int | None


@dataclass
class ArmStatus:
    """One arm on one data set. `total` is None where nobody knows beforehand."""

    place: Place
    total: int | None = None
    counts: Counter[str] = field(default_factory=Counter)  # by the status of the records
    failures: Counter[str] = field(default_factory=Counter)  # by their class
    running: int = 0
    best: float | None = None

    @property
    def waiting(self) -> int | None:
        if self.total is None:
            return None
        return max(0, self.total - self.counts.total() - self.running)


@dataclass
class PlanStatus:
    """One plan. `per_hour`: since the launch.

    `state`: working, finished, to be launched again (after a retry), or how it was left.
    """

    name: str
    state: str
    launch: Mapping[str, Any]
    metric: str
    arms: list[ArmStatus]
    running: list[Running]
    per_hour: float | None
    silence: float

    @property
    def working(self) -> bool:
        return self.state == "working"

    @property
    def seconds_left(self) -> float | None:
        waiting = [arm.waiting for arm in self.arms]
        if not self.working or not self.per_hour or None in waiting:
            return None
        to_come = sum(count or 0 for count in waiting) + len(self.running) / 2
        return 3600 * to_come / self.per_hour


class Statuses:
    """Looks at plans again and again; a record, which never changes, is read once."""

    def __init__(self, runs: Path) -> None:
        self.runs = runs
        self._records: dict[tuple[Path, int], Record] = {}

    def of(self, names: Sequence[str] = ()) -> list[PlanStatus]:
        """The plans of these names, all of them by default; UserError if there is no such plan."""
        return [self._plan(name) for name in names or plan_names(self.runs)]

    def _plan(self, name: str) -> PlanStatus:
        folder = folder_of_plan(self.runs, name)
        lines = read_json_lines(folder / "plan.jsonl")
        launch = last_run(lines)
        planned = _last(launch, "planned") or _last(lines, "planned") or {}
        rule = Rule(**planned.get("rule", {}))
        working = at_work(folder)
        running = [*_running(folder, launch)] if working else []
        records = [self._record(path) for path in record_files(folder.parent, folder.name)]
        return PlanStatus(
            name=name,
            state="working" if working else _how(lines, launch),
            launch=launch[0] if launch else {},
            metric=rule.metric,
            arms=_arms(planned.get("arms", []), records, running, rule),
            running=running,
            per_hour=_per_hour(launch),
            silence=silence(folder),
        )

    def _record(self, path: Path) -> Record:
        version = (path, path.stat().st_mtime_ns)  # another one stands there after --fresh
        if version not in self._records:
            self._records[version] = load(path)
        return self._records[version]


def _arms(
    planned: Sequence[Sequence[Any]],
    records: Sequence[Record],
    running: Sequence[Running],
    rule: Rule,
) -> list[ArmStatus]:
    arms = {(arm, data, split): ArmStatus((arm, data, split), n) for arm, data, split, n in planned}
    for record in records:
        place = (record.arm, record.dataset, record.split)
        arm = arms.setdefault(place, ArmStatus(place))
        arm.counts[record.status] += 1
        if record.status == "failed":
            arm.failures[class_of(record.reason)] += 1
        arm.best = rule.better(arm.best, rule.value(record))
    for cell in running:
        place = (cell.arm, cell.dataset, cell.split)
        arms.setdefault(place, ArmStatus(place)).running += 1
    return list(arms.values())


def _running(folder: Path, launch: Sequence[Mapping[str, Any]]) -> Iterator[Running]:
    """The cells that were started since the launch and have not ended."""
    ended = {line["key"] for line in launch if line["event"] == "ended"}
    heard = read_json(folder / "alive.json") or {}
    for line in launch:
        if line["event"] != "started" or (folder / line["key"] / "record.json").is_file():
            continue
        if line["key"] in ended:
            continue
        epoch = _epoch(read_json_lines(folder / line["key"] / "log.jsonl"), line["epochs"])
        steps = _steps(heard.get(line["key"], {}), epoch, line["epochs"])
        facts = {name: line[name] for name in Running.__annotations__ if name in line}
        yield Running(**facts, epoch=epoch, step=steps.get("step"), steps=steps.get("steps"))


def _epoch(log: Sequence[Mapping[str, Any]], epochs: int) -> int:
    """How many epochs are whole: by the attempt at work, once it has trained a step.

    Its first step tells with which epoch it began; until then the attempts before it count.
    """
    found = 0
    for line in log:
        if line["event"] == "step":
            found = (line["step"] - 1) * epochs // line["steps"]
        if line["event"] == "epoch":
            found = line["epoch"]
    return found


def _steps(heard: Mapping[str, int], epoch: int, epochs: int) -> Mapping[str, int]:
    """The steps as last heard, if they lie in the epoch at work, and not in an earlier one."""
    if not heard:
        return {}
    done = heard["step"] * epochs / heard["steps"]
    return heard if epoch <= done <= epoch + 1 else {}


def _how(lines: Sequence[Mapping[str, Any]], launch: Sequence[Mapping[str, Any]]) -> str:
    if not launch:
        return "never launched"
    if lines[-1]["event"] == "aside":
        return "to be launched again"
    left = _last(launch, "left")
    return str(left["how"]) if left else "gone without a word (killed?)"


def _per_hour(launch: Sequence[Mapping[str, Any]]) -> float | None:
    """How many cells end in an hour, by the latest of those that were trained since the launch."""
    begun = next((line["at"] for line in launch if line["event"] == "planned"), 0.0)
    moments = [begun, *(line["at"] for line in launch if line["event"] == "ended")][-RECENT:]
    if len(moments) < 2 or moments[-1] <= moments[0]:
        return None
    return 3600 * (len(moments) - 1) / float(moments[-1] - moments[0])


def _last(lines: Sequence[Mapping[str, Any]], event: str) -> Mapping[str, Any] | None:
    return next((line for line in reversed(lines) if line["event"] == event), None)
