"""A plan: the cells that an experiment, an ablation or a sweep stands for. No torch."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.cell import Cell
from harness.config.document import Document, Path_, read
from harness.config.experiment import Experiment
from harness.config.located import located
from harness.config.merge import load
from harness.config.schema import draft
from harness.errors import Errors, UserError
from harness.places import Places
from harness.planning.ablation import ablated, ablation_tasks
from harness.planning.arms import refuse_settings, tasks_of
from harness.planning.checks import check_confirm, check_search, goes_by, unconfirmed
from harness.planning.idle import idle_pruner
from harness.planning.policy import Policy
from harness.planning.reported import require_classes
from harness.planning.searched import require_distinct, require_fair, require_validation, space_of
from harness.planning.space import Dimension
from harness.planning.sweepfile import Confirm, Search, Sweep
from harness.planning.task import Task, experiment_task, twins


@dataclass
class Plan:
    """What a file stands for; with a search, Optuna decides the cells as it goes.

    `goes_by`: the metrics that decide, and where each is asked for: "file:line: key".
    `notes`: what the file asks for and the plan leaves out, a line each.
    """

    name: str
    tasks: list[Task]
    seeds: list[int] | None = None
    search: Search | None = None
    space: list[Dimension] = field(default_factory=list)
    confirm: Confirm = field(default_factory=Confirm)
    metric: str = "test/top1"  # whose differences an ablation shows
    goes_by: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    path: Path | None = None  # of a sweep or an ablation, which must not change under way
    policy: Policy = field(default_factory=Policy)

    def search_seed(self, task: Task) -> int:
        """The one seed that a search trains with; the winner is confirmed on others."""
        return self.seeds_of(task)[0]

    def seeds_of(self, task: Task) -> list[int]:
        return self.seeds or task.experiment.seeds

    def cells(self, places: Places) -> list[Cell]:
        """The cells that are fixed beforehand: all of them, or none if there is a search."""
        if self.search:
            return []
        return [cell for cells in self.by_task(places) for cell in cells]

    def by_task(self, places: Places) -> list[list[Cell]]:
        """The same, for each task; with a search, the one that its arm is without it.

        Raises UserError with a line for each thing that is wrong with the data and the weights, or
        for each cell that is planned twice.
        """
        errors, found = Errors(), list[list[Cell]]()
        for task in self.tasks:
            with errors.collected():
                with located(task.document, "data"):
                    seeds = [self.search_seed(task)] if self.search else self.seeds_of(task)
                    found.append([task.cell(places, self.name, seed) for seed in seeds])
                    dataset = task.reading.opened(task.experiment.data, places).dataset
                require_classes(self.goes_by, dataset)
        errors.tell()
        _refuse_twins(self.tasks, found)
        return found


def plan_of(path: Path, overrides: Sequence[str] = ()) -> Plan:
    """The plan of a file of any kind: `arms` makes it a sweep, `ablate` an ablation."""
    if is_sweep(path):
        return sweep_plan(path, overrides)
    if load(Experiment, path, overrides).tree.get("ablate") is not None:
        return ablation_plan(path, overrides)
    return experiment_plan(path, overrides)


def is_sweep(path: Path) -> bool:
    return "arms" in read(path).tree


def experiment_plan(path: Path, overrides: Sequence[str] = ()) -> Plan:
    """One arm, a cell a seed."""
    task, errors = experiment_task(path, overrides), Errors()
    task.builds(errors)
    errors.tell()
    return Plan(task.experiment.name, [task])


def ablation_plan(path: Path, overrides: Sequence[str] = ()) -> Plan:
    """The baseline, and one arm for every value that differs from the baseline's own.

    Values that do not differ are in the notes.
    """
    base = ablated(path, overrides)
    tasks, notes = ablation_tasks(base)
    assert base.experiment.ablate is not None
    metric = base.experiment.ablate.metric
    plan = Plan(base.experiment.name, tasks, metric=metric, notes=notes)
    plan.path, plan.goes_by = path, {metric: _place(base.document, ("ablate", "metric"))}
    return plan


def sweep_plan(path: Path, overrides: Sequence[str] = ()) -> Plan:
    """Every arm on every data set; UserError with a line for each thing that is wrong."""
    document, errors = load(Sweep, path, overrides), Errors()
    refuse_settings(document, errors)
    sweep = draft(Sweep, document, errors)
    made = tasks_of(sweep, document, path.parent, errors)
    tasks = [task for task in made if task.builds(errors) and task.whole]
    every = [task for task in made if task.whole]
    plan = Plan(sweep.name, tasks, sweep.seeds, sweep.search, confirm=sweep.confirm)
    plan.path, plan.policy = path, sweep.policy
    check_confirm(document, errors)
    if sweep.search:
        plan.space = space_of(sweep.search, every, document, errors)
        require_validation(every, document, errors)
        require_fair(tasks, sweep, document, errors)
        require_distinct(tasks, plan.space, errors)
        check_search(sweep.search, plan.space, tasks, document, errors)
    errors.tell()
    if sweep.search:
        asked = goes_by(sweep.search).items()
        plan.goes_by = {metric: _place(document, path) for metric, path in asked}
        for told in idle_pruner(sweep.search, tasks, plan.space):
            plan.notes.append(str(document.error(("search", "pruner"), told)))
        for told in unconfirmed(sweep.search, sweep.confirm):
            plan.notes.append(str(document.error(("confirm", "top_k"), told)))
    return plan


def _place(document: Document, path: Path_) -> str:
    return f"{document.where(path)}: {'.'.join(path)}"


def _refuse_twins(tasks: Sequence[Task], cells: Sequence[Sequence[Cell]]) -> None:
    """Two arms that are one training would share a record, and one row would vanish."""
    errors, seen = Errors(), dict[str, tuple[Task, Cell]]()
    for task, own in zip(tasks, cells, strict=True):
        for cell in own:
            other, twin = seen.setdefault(cell.key, (task, cell))
            if twin is not cell:
                place = f" on {cell.dataset} {cell.split}"
                errors.add(UserError(twins(task, other, "are the same training", place)))
    errors.tell()
