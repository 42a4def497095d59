"""From an experiment with `ablate:` to tasks: the baseline, and one change at a time."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.config.experiment import Experiment
from harness.config.schema import draft
from harness.errors import Errors, UserError
from harness.planning.metrics import COMPARED, COSTS, check_metric
from harness.planning.reported import require_reported
from harness.planning.task import Task, change_at, experiment_task
from harness.planning.values import arm_name

BASELINE = "baseline"


def ablation_tasks(base: Task) -> tuple[list[Task], list[str]]:
    """The baseline and an arm for every value that is not its own; a note for each that is."""
    errors = Errors()
    ablate = draft(Experiment, base.document, errors).ablate
    sound = base.builds(errors)
    tasks = [Task(BASELINE, base.document, base.command, base.where, base.reading)]
    notes, replaced = [], ablate.replace if ablate else {}
    if sound and ablate:
        _require_metric(base, ablate.metric, errors)
    for key, values in replaced.items():
        for index, value in enumerate(values):
            change = change_at(base.document, ("ablate", "replace", key, str(index)), key, value)
            task = base.laid([change], arm=arm_name([(key, value)]))
            task.where = where = change.origin
            if not (task.builds(errors) and sound):
                continue
            if _without_name(task) != _without_name(base):
                tasks.append(task)
            else:
                notes.append(f"{where}: {task.arm}: the baseline's own; not trained twice")
    errors.tell()
    return tasks, notes


def _require_metric(base: Task, metric: str, errors: Errors) -> None:
    """Of the baseline, to which all differences are. Costs may go without `cost/`, as in boards."""
    document, path = base.document, ("ablate", "metric")
    try:
        if metric not in COSTS:
            check_metric(metric, COMPARED)
    except UserError as error:
        errors.add(document.error(path, str(error)))
    require_reported({metric: path}, [base], (), document, errors)
    if metric.startswith("val/") and base.experiment.data.val is None:
        cure = "needs validation clips: data.val: {share: 0.2}"
        errors.add(document.error(path, f"{metric!r} {cure}"))


def ablated(path: Path, overrides: Sequence[str]) -> Task:
    """The task of an experiment file; UserError if it has nothing to ablate."""
    base = experiment_task(path, overrides)
    if base.document.tree.get("ablate") is None:
        raise UserError(f"{path}: has no `ablate:` block; nothing to compare with the baseline")
    return base


def _without_name(task: Task) -> Any:
    experiment = task.experiment
    return (experiment.data, experiment.model, experiment.train, experiment.eval)
