"""The name of a study: one for each arm on each data set, and for each thing that is asked."""

from harness.config.schema import plain
from harness.files import digest
from harness.places import Places
from harness.planning.plan import Plan
from harness.planning.task import Task


def study_name(plan: Plan, task: Task, places: Places) -> str:
    dataset = task.cell(places, plan.name, 0).dataset
    return f"{task.arm} | {dataset} | {task.experiment.data.split} | {_what(plan, task)}"


def _what(plan: Plan, task: Task) -> str:
    """What a value is a function of, besides the trial: another search where that changes."""
    assert plan.search is not None
    experiment, search = plain(task.experiment), plan.search
    decides = [experiment[name] for name in ("data", "model", "train", "eval")]
    asked = [search.space, plain(search.goals), search.constraints]
    return digest([decides, asked, plan.search_seed(task)])[:8]
