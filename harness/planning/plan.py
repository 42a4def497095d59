"""A plan: the cells that an experiment, an ablation or a sweep stands for. No torch.

A *task* is one arm on one data set: an experiment with everything fixed but the seed.
"""

import itertools
import json
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.cell import Cell, cell_of
from harness.config.document import Document, assignment
from harness.config.experiment import Experiment
from harness.config.merge import lay_over, load
from harness.config.schema import build
from harness.errors import UserError
from harness.places import Places
from harness.planning.space import Dimension, parse
from harness.planning.sweepfile import ArmSpec, Confirm, Search, Sweep

BASELINE = "baseline"


@dataclass
class Task:
    """One arm on one data set, and the command that starts it alone."""

    arm: str
    document: Document
    command: str
    experiment: Experiment = field(init=False)

    def __post_init__(self) -> None:
        self.experiment = build(Experiment, self.document)

    def changed(self, changes: Iterable[tuple[str, Any]], origin: str, arm: str = "") -> "Task":
        """The same task with dotted keys set to other values."""
        document, command = self.document, self.command
        for key, value in changes:
            document = lay_over(Experiment, document, assignment(key, value, origin))
            command += f" --set {shlex.quote(f'{key}={as_yaml(value)}')}"
        return Task(arm or self.arm, document, command)

    def cell(self, places: Places, plan: str, seed: int, **facts: Any) -> Cell:
        command = f"{self.command} --set seeds=[{seed}]"
        return cell_of(
            self.experiment, places, plan=plan, arm=self.arm, seed=seed, command=command, **facts
        )


@dataclass
class Plan:
    """What a file stands for; with a search, Optuna decides the cells as it goes.

    `notes`: what the file asks for and the plan leaves out, a line each.
    """

    name: str
    tasks: list[Task]
    seeds: list[int] | None = None
    search: Search | None = None
    space: list[Dimension] = field(default_factory=list)
    confirm: Confirm = field(default_factory=Confirm)
    metric: str = "test/top1"  # whose differences an ablation shows
    notes: list[str] = field(default_factory=list)

    def search_seed(self, task: Task) -> int:
        """The one seed that a search trains with; the winner is confirmed on others."""
        return (self.seeds or task.experiment.seeds)[0]

    def cells(self, places: Places) -> list[Cell]:
        """The cells that are fixed beforehand: all of them, unless there is a search."""
        cells = [
            task.cell(places, self.name, seed)
            for task in self.tasks
            for seed in self.seeds or task.experiment.seeds
        ]
        _refuse_twins(cells)
        return cells


def experiment_plan(path: Path, overrides: Sequence[str] = ()) -> Plan:
    """One arm, a cell a seed."""
    task = _task(path, overrides)
    return Plan(task.experiment.name, [task])


def ablation_plan(path: Path, overrides: Sequence[str] = ()) -> Plan:
    """The baseline, and one arm for every value that differs from the baseline's own.

    Values that do not differ are in the notes.
    """
    base = _task(path, overrides)
    ablate = base.experiment.ablate
    if ablate is None:
        raise UserError(f"{path}: has no `ablate:` block; nothing to compare with the baseline")
    plan = Plan(
        base.experiment.name,
        [Task(BASELINE, base.document, base.command)],
        metric=ablate.metric,
    )
    for key, values in ablate.replace.items():
        for index, value in enumerate(values):
            where = base.document.where(("ablate", "replace", key, str(index)))
            task = base.changed([(key, value)], where, arm=arm_name([(key, value)]))
            if _without_name(task) != _without_name(base):
                plan.tasks.append(task)
            else:
                plan.notes.append(f"{where}: {task.arm}: the baseline's own; not trained twice")
    return plan


def sweep_plan(path: Path, overrides: Sequence[str] = ()) -> Plan:
    """Every arm on every data set."""
    document = load(Sweep, path, overrides)
    sweep = build(Sweep, document)
    arms = [
        task
        for index, spec in enumerate(sweep.arms)
        for task in _arms(spec, path.parent, document.where(("arms", str(index))))
    ]
    arms = [arm.changed(sweep.set.items(), document.where(("set",))) for arm in arms]
    tasks = [task for arm in arms for task in _on_data(arm, sweep.data, document)]
    plan = Plan(sweep.name, tasks, sweep.seeds, sweep.search, confirm=sweep.confirm)
    if sweep.search:
        plan.space = _space(sweep.search, tasks, document)
        _require_a_fair_search(plan, document)
    return plan


def _require_a_fair_search(plan: Plan, document: Document) -> None:
    """Validation clips to choose on, and seeds to confirm on that the choice was not made with."""
    for task in plan.tasks:
        if task.experiment.data.val is None:
            raise document.error(
                ("search",),
                f"arm {task.arm!r} has no validation clips to choose on; add data.val, for example "
                "`set: {data.val: {share: 0.2}}`",
            )
        seed = plan.search_seed(task)
        if seed in plan.confirm.seeds:
            raise document.error(
                ("confirm", "seeds"),
                f"{seed} is the seed that the search of arm {task.arm!r} chooses with; "
                "confirm on others",
            )


def _task(path: Path, overrides: Sequence[str]) -> Task:
    document = load(Experiment, path, overrides)
    sets = "".join(f" --set {shlex.quote(text)}" for text in overrides)
    task = Task("", document, f"harness run {path}{sets}")
    task.arm = task.experiment.name
    return task


def _arms(spec: ArmSpec, folder: Path, where: str) -> list[Task]:
    path = folder / spec.base
    if not path.is_file():
        raise UserError(f"{where}: arms: no such experiment file {path}")
    base = _task(path, ()).changed(spec.set.items(), where)
    base.arm = spec.name or base.experiment.name
    if not spec.grid:
        return [base]
    combinations = itertools.product(*([(k, v) for v in vs] for k, vs in spec.grid.items()))
    return [
        base.changed(changes, where, arm=f"{base.arm} {arm_name(changes)}")
        for changes in combinations
    ]


def _on_data(arm: Task, data: list[dict[str, Any]], document: Document) -> list[Task]:
    if not data:
        return [arm]
    return [
        arm.changed([("data", change)], document.where(("data", str(index))))
        for index, change in enumerate(data)
    ]


def _space(search: Search, tasks: list[Task], document: Document) -> list[Dimension]:
    """The parsed space, every key and every choice tried on every task."""
    dimensions = []
    for key, spec in search.space.items():
        where = document.where(("search", "space", key))
        try:
            dimension = parse(key, spec)
        except UserError as error:
            raise UserError(f"{where}: search.space.{key}: {error}") from None
        for task, value in itertools.product(tasks, dimension.examples()):
            task.changed([(key, value)], where)
        dimensions.append(dimension)
    return dimensions


def arm_name(changes: Iterable[tuple[str, Any]]) -> str:
    """A short name for changed keys.

    >>> arm_name([("model.fusion", {"name": "conv", "kernel_size": 3}), ("train.epochs", 5)])
    'fusion=conv(kernel_size=3) train.epochs=5'
    """
    return " ".join(f"{_tail(key)}={_compact(value)}" for key, value in changes)


def _tail(key: str) -> str:
    for prefix in ("model.", "data."):
        key = key.removeprefix(prefix)
    return key.removesuffix(".name")


def _compact(value: Any) -> str:
    if isinstance(value, dict) and "name" in value:
        rest = ", ".join(f"{k}={_compact(v)}" for k, v in value.items() if k != "name")
        return f"{value['name']}({rest})" if rest else str(value["name"])
    return value if isinstance(value, str) else as_yaml(value)


def as_yaml(value: Any) -> str:
    """A value in YAML's flow style, which JSON is; plain words go without quotes."""
    words = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}
    if isinstance(value, str) and value.isidentifier() and value.lower() not in words:
        return value
    return json.dumps(value)


def _without_name(task: Task) -> Any:
    experiment = task.experiment
    return (experiment.data, experiment.model, experiment.train, experiment.eval)


def _refuse_twins(cells: list[Cell]) -> None:
    """Two arms that are one training would share a record, and one row would vanish."""
    seen: dict[str, Cell] = {}
    for cell in cells:
        twin = seen.setdefault(cell.key, cell)
        if twin is not cell:
            raise UserError(
                f"{cell.plan}: {cell.label!r} and {twin.label!r} are the same training; "
                "drop one, or change what differs"
            )
