"""What a sweep file says of its search, held against what there is; all errors, with lines."""

from collections.abc import Iterator, Sequence
from typing import Any

from harness.config.document import Document, Path_
from harness.errors import Errors, UserError
from harness.planning.asking import Ask, longest, pruner_of, sampler_of
from harness.planning.metrics import check_metric
from harness.planning.reported import require_reported
from harness.planning.space import Dimension
from harness.planning.sweepfile import Confirm, Search
from harness.planning.task import Task

ONE_BUDGET = "needs either trials or budget, for example `trials: 8` or `budget: {epochs: 100}`"
MANY_EPOCHS = 10**6  # where no arm says how many


def check_search(
    search: Search,
    space: Sequence[Dimension],
    tasks: Sequence[Task],
    document: Document,
    errors: Errors,
) -> None:
    """Of objectives, constraints, budget, sampler and pruner, whatever else is wrong."""
    for path, message in [*_of_objectives(search), *_of_constraints(search)]:
        errors.add(document.error(("search", *path), message))
    require_reported(goes_by(search), tasks, space, document, errors)
    if search.pruner.name != "none":
        for message in _of_pruning(search):
            errors.add(document.error(("search", "pruner"), message))
    if _given(document, "trials", "budget") != 1:
        errors.add(document.error(("search",), ONE_BUDGET))
    epochs = min((task.experiment.train.epochs for task in tasks), default=MANY_EPOCHS)
    for error in _of_components(search, space, epochs, document):
        errors.add(error)


def check_confirm(document: Document, errors: Errors) -> None:
    """What is confirmed is what a search has found."""
    if "confirm" in document.tree and document.tree.get("search") is None:
        told = "trains the best trials of a search once more, and there is no search"
        errors.add(document.error(("confirm",), told))


def unconfirmed(search: Search, confirm: Confirm) -> Iterator[str]:
    """That a search has fewer trials than are to be confirmed."""
    trials = search.limit.trials
    if trials is not None and confirm.top_k > trials:
        yield f"{confirm.top_k} are to be confirmed, but there are {trials} trials: all of them are"


def _given(document: Document, *names: str) -> int:
    """How many of these keys the search has, be they right or wrong."""
    search = document.at(("search",))
    return sum(search.get(name) is not None for name in names) if isinstance(search, dict) else 1


def goes_by(search: Search) -> dict[str, Path_]:
    """The metrics that decide in a search, and where each is asked for."""
    found: dict[str, Path_] = {name: ("search", "constraints", name) for name in search.constraints}
    if not search.objectives:
        found[search.objective] = ("search", "objective")
    for index, goal in enumerate(search.objectives):
        found[goal.metric] = ("search", "objectives", str(index), "metric")
    return found


def _of_objectives(search: Search) -> Iterator[tuple[Path_, str]]:
    if not search.objectives:
        yield from _of_metric(("objective",), search.objective)
    for index, goal in enumerate(search.objectives):
        yield from _of_metric(("objectives", str(index), "metric"), goal.metric)
    names = [goal.metric for goal in search.objectives]
    for name in {name for name in names if name and names.count(name) > 1}:
        yield ("objectives",), f"{name!r} is named twice"


def _of_constraints(search: Search) -> Iterator[tuple[Path_, str]]:
    for metric, bounds in search.constraints.items():
        path = ("constraints", metric)
        yield from _of_metric(path, metric)
        if not (isinstance(bounds, dict) and bounds and set(bounds) <= {"min", "max"}):
            yield path, f"expected {{max: number}}, {{min: number}} or both, got {bounds!r}"
        elif not all(_number(value) for value in bounds.values()):
            yield path, f"expected numbers, got {bounds!r}"
        elif len(bounds) == 2 and bounds["min"] > bounds["max"]:
            yield path, f"the least {bounds['min']} is above the most {bounds['max']}"


def _of_metric(path: Path_, name: str) -> Iterator[tuple[Path_, str]]:
    try:
        if name:  # else it is missing, and told
            check_metric(name)
    except UserError as error:
        yield path, str(error)


def _of_pruning(search: Search) -> Iterator[str]:
    """A pruner needs one curve to look at."""
    first, *others = [goal.metric for goal in search.goals]
    if others:
        yield f"prunes by one objective, and there are several: {', '.join([first, *others])}"
    elif first.startswith("cost/"):
        yield f"{first!r} has one value a training, not one an epoch"


def _of_components(
    search: Search, space: Sequence[Dimension], epochs: int, document: Document
) -> Iterator[UserError]:
    """Options and packages, found out by making one of each."""
    ask = Ask(space=space, objectives=len(search.goals))
    made: list[tuple[str, Any, Any]] = [
        ("sampler", sampler_of, ask),
        ("pruner", pruner_of, longest(epochs, space)),
    ]
    for key, make, what in made:
        try:
            make(getattr(search, key), what)
        except UserError as error:
            yield document.error_below(("search", key), str(error))


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
