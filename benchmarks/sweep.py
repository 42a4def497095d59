"""What a sweep costs: the harness beside the usual way, Ray Tune, and nothing but train steps.

    python benchmarks/sweep.py [--trials 6] [--rounds 3] [--quick] [--data FOLDER] [--format json]

Every way runs the same trials from the same seed on the same clips, in two trainings at a time of
one thread each, and must end with the same metrics:

- floor: train steps and evaluation passes in warm processes, batches in memory (sweep_floor.py),
  in two processes and in one: by how much two are faster on this machine at all;
- ours: `harness sweep`, W&B offline, with two workers and with one (sweep_ours.py);
- ray: Ray Tune over the cached data, a fresh process a trial (sweep_ray.py);
- plain: Optuna, Lightning, decord and flow on the fly, a fresh process a trial (sweep_plain.py).

Each is a program of its own, timed from its start to its end with everything that it starts; of the
floor, only the steps and passes count. Floors and ours, which differ by little, take turns for some
rounds, since a machine's speed changes from minute to minute: their medians count. Preparing the
cache is told apart: it happens once for any number of sweeps. The clips are the first two seconds
of UT-Interaction's videos where FOLDER (HARNESS_TEST_DATA by default) has them, else moving_shapes.
Linux, two idle cores.
"""

import argparse
import json
import os
import shutil
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from measure import machine, side_by_side, spent
from sweep_overhead import overheads
from sweep_setting import CORES, Setting
from tree import tree

from harness.report.formats import ColumnSpec, Table, markdown
from harness.results.store import load_all

HERE = Path(__file__).parent
PACKAGES = ("torch", "pytorch-lightning", "optuna", "wandb", "ray", "decord")
OVERHEAD = 0.5  # seconds a trial
BUSY = 0.15  # cores that others may use before nothing is concluded from wall time


@dataclass(frozen=True, kw_only=True)
class Way:
    """A program; of its wall and CPU time, the least multiples of ours that are the goal."""

    name: str
    title: str
    arguments: tuple[str, ...] = ()
    wall: float | None = None
    cpu: float | None = None

    @property
    def kind(self) -> str:
        return self.name.partition("-")[0]

    @property
    def program(self) -> Path:
        return HERE / f"sweep_{self.kind}.py"

    @property
    def repeated(self) -> bool:
        return self.kind in ("floor", "ours")


OURS, FLOOR = f"ours-{CORES}", f"floor-{CORES}"
WAYS = (
    Way(name=FLOOR, title="floor: steps and passes", arguments=(str(CORES),), wall=0.85),
    Way(name=OURS, title=f"ours, {CORES} workers", arguments=(str(CORES),)),
    Way(name="ray", title="Ray Tune, cached data", wall=1.2),
    Way(name="ours-1", title="ours, 1 worker", arguments=("1",), wall=1.85),
    Way(name="floor-1", title="floor, 1 process", arguments=("1",)),
    Way(name="plain", title="Optuna + Lightning + decord", wall=9, cpu=15),
)


def main() -> None:
    options = arguments()
    with TemporaryDirectory() as name:
        folder = Path(name).resolve()
        sizes = (2, 24, 2) if options.quick else (options.trials, options.clips, options.epochs)
        setting = Setting.make(folder, options.data, *sizes)
        ways = [way for way in WAYS if way.name not in options.without]
        report = measured(setting, ways, 1 if options.quick else options.rounds)
    print(json.dumps(report, indent=1) if options.format == "json" else "\n".join(text(report)))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=6)
    parser.add_argument("--clips", type=int, default=200, help="to train on")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=3, help="turns of the floors and ours")
    parser.add_argument(
        "--quick", action="store_true", help="2 trials, 24 clips, 2 epochs, 1 round"
    )
    parser.add_argument("--without", nargs="*", default=[], choices=[way.name for way in WAYS])
    parser.add_argument("--data", type=Path, default=os.environ.get("HARNESS_TEST_DATA", "data"))
    parser.add_argument("--format", choices=("md", "json"), default="md")
    options = parser.parse_args()
    if options.rounds < 1:
        parser.error(f"--rounds {options.rounds}: one at least")
    return options


def measured(setting: Setting, ways: list[Way], rounds: int) -> dict[str, Any]:
    """Everything that was found out, as plain numbers."""
    began = time.monotonic()
    [cost] = side_by_side([partial(spent, partial(setting.source, workers=CORES))])
    source, data = setting.source(), setting.experiment().data
    steps = setting.steps(len(source.subsets["train"]))
    taken: dict[str, list[dict[str, float]]] = {way.name: [] for way in ways}
    beside: list[dict[str, float]] = []
    for number in range(rounds):
        for way in ways:
            if number == 0 or way.repeated:
                print(
                    f"{time.monotonic() - began:5.0f} s: {way.title}", file=sys.stderr, flush=True
                )
                taken[way.name].append(run(way, setting))
        beside.append(overheads(runs_of(setting, OURS), times(setting, FLOOR), steps, CORES))
    figures = {name: medians(rows) for name, rows in taken.items()}
    for row in figures.values():
        row |= {f"{kind}_over_ours": row[kind] / figures[OURS][kind] for kind in ("wall", "cpu")}
    return {
        "machine": machine(*PACKAGES) | {"threads": 1},
        "clips": {"data": data.name, **source.counts},
        "trials": len(setting.trials),
        "epochs": setting.experiment().train.epochs,
        "rounds": rounds,
        "preparation": {"wall": cost.ended - cost.began, "cpu": cost.cpu},
        "ways": figures,
        "each": taken,
        "metrics": compared(setting, [way.name for way in ways]),
        "overhead": medians(beside),
        "seconds": time.monotonic() - began,
    }


def run(way: Way, setting: Setting) -> dict[str, float]:
    """Wall and CPU seconds of its program; of a floor, those of the steps and passes alone."""
    if way.kind == "ours":
        shutil.rmtree(runs_of(setting, way.name), ignore_errors=True)
    figures = asdict(tree([sys.executable, str(way.program), str(setting.folder), *way.arguments]))
    if way.kind != "floor":
        return figures
    steps, processes = times(setting, way.name), int(way.arguments[0])
    return figures | {
        "wall": max(sum(t["wall"] for t in steps[n::processes]) for n in range(processes)),
        "cpu": sum(t["cpu"] for t in steps),
    }


def runs_of(setting: Setting, ours: str) -> Path:
    return setting.folder / ours.replace("ours", "runs")


def medians(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {key: median(row[key] for row in rows) for key in rows[0]}


def compared(setting: Setting, ways: Sequence[str]) -> dict[str, float]:
    """The largest difference between a final metric on the floor and with each way."""
    floor = metrics_of(setting, FLOOR)
    return {
        way: max(
            abs(theirs[key] - value)
            for ours, theirs in zip(floor, metrics_of(setting, way), strict=True)
            for key, value in ours.items()
        )
        for way in ways
    }


def metrics_of(setting: Setting, way: str) -> list[dict[str, Any]]:
    if way.startswith("ours"):
        records = load_all(runs_of(setting, way))
        return [r.metrics for r in sorted(records, key=lambda r: r.trial or 0)]
    return [read(setting.folder / way / f"{n}.json") for n in range(len(setting.trials))]


def times(setting: Setting, floor: str) -> list[dict[str, float]]:
    """Seconds of each trial's steps and passes on a floor."""
    return read(setting.folder / f"{floor}.json")


def read(path: Path) -> Any:
    return json.loads(path.read_text())


def text(report: dict[str, Any]) -> Iterator[str]:
    """The report for people."""
    clips, made = report["clips"], report["preparation"]
    yield ", ".join(f"{name} {value}" for name, value in report["machine"].items())
    yield (
        f"{report['trials']} trials of {report['epochs']} epochs on {clips['train']} clips of "
        f"{clips['data']}, {clips['val']} for validation after each epoch and at the end; "
        f"rounds of floors and ours, whose medians count: {report['rounds']}"
    )
    yield ""
    yield markdown(table(report))
    for way, difference in report["metrics"].items():
        same = "equal" if difference == 0 else f"differ by up to {difference:.2g}"
        yield f"final metrics of {way} and floor: {same}"
    yield from limits(report["ways"])
    yield f"preparing the cache, once: {made['wall']:.1f} s, {made['cpu']:.1f} CPU s"
    parts = ", ".join(f"{name} {value:.2f}" for name, value in report["overhead"].items())
    yield f"overhead of a trial, medians in s: {parts} (goal: total < {OVERHEAD})"
    yield f"the whole benchmark: {report['seconds']:.0f} s"


def limits(ways: Mapping[str, Mapping[str, float]]) -> Iterator[str]:
    """What no harness could exceed here, since the steps alone take so long."""
    floor = ways.get(FLOOR)
    if floor and "plain" in ways:
        wall, cpu = (ways["plain"][kind] / floor[kind] for kind in ("wall", "cpu"))
        yield f"limits: the usual way over the floor: {wall:.1f} of wall, {cpu:.1f} of CPU time"
    if floor and "floor-1" in ways:
        twice = ways["floor-1"]["wall"] / floor["wall"]
        yield f"limits: two processes on the floor are {twice:.2f} times as fast as one"


def table(report: dict[str, Any]) -> Table:
    rows = [row(way, report["ways"][way.name]) for way in WAYS if way.name in report["ways"]]
    columns = {
        "way": "way",
        "wall": "wall s",
        "wall_over_ours": "/ ours",
        "wall_goal": "at least",
        "cpu": "CPU s",
        "cpu_over_ours": "/ ours",
        "cpu_goal": "at least",
        "holds": "holds",
        "load": "load before",
        "others": "others' cores",
    }
    return Table("", tuple(ColumnSpec(key=k, title=t) for k, t in columns.items()), rows)


def row(way: Way, figures: dict[str, float]) -> dict[str, Any]:
    goals = {"wall": way.wall, "cpu": way.cpu}
    met = [figures[f"{kind}_over_ours"] >= goal for kind, goal in goals.items() if goal is not None]
    holds = all(met) if met else None
    return {
        "way": way.title,
        **figures,
        "wall_goal": way.wall,
        "cpu_goal": way.cpu,
        "holds": holds if figures["others"] < BUSY else None,
    }


if __name__ == "__main__":
    main()
