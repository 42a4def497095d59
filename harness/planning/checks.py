"""What a sweep file says of its search, held against what there is; all errors, with lines."""

from collections.abc import Iterator, Sequence
from typing import Any

from harness.config.document import Document, Path_
from harness.errors import Errors, UserError
from harness.planning.asking import Ask, longest, pruner_of, sampler_of
from harness.planning.metrics import check_metric
from harness.planning.space import Dimension
from harness.planning.sweepfile import Search
from harness.planning.task import Task


def check_search(
    search: Search,
    space: Sequence[Dimension],
    tasks: Sequence[Task],
    document: Document,
    errors: Errors,
) -> None:
    """Of a space that is sound: without one nobody can say what a sampler would make of it."""
    if tasks and len(space) == len(search.space):
        epochs = min(task.experiment.train.epochs for task in tasks)
        for error in _search_errors(search, space, epochs, document):
            errors.add(error)


def _search_errors(
    search: Search, space: Sequence[Dimension], epochs: int, document: Document
) -> Iterator[UserError]:
    """Of objectives, constraints, sampler and pruner; `epochs` are those of the shortest arm."""
    for path, message in [*_of_objectives(search), *_of_constraints(search)]:
        yield document.error(("search", *path), message)
    if search.pruner.name != "none":
        yield from _of_pruning(search, document)
    yield from _of_components(search, space, epochs, document)


def _of_objectives(search: Search) -> Iterator[tuple[Path_, str]]:
    if not search.objectives:
        yield from _of_metric(("objective",), search.objective)
    for index, goal in enumerate(search.objectives):
        yield from _of_metric(("objectives", str(index), "metric"), goal.metric)
    names = [goal.metric for goal in search.objectives]
    for name in {name for name in names if names.count(name) > 1}:
        yield ("objectives",), f"{name!r} is named twice"


def _of_constraints(search: Search) -> Iterator[tuple[Path_, str]]:
    for metric, bounds in search.constraints.items():
        path = ("constraints", metric)
        yield from _of_metric(path, metric)
        if not (isinstance(bounds, dict) and bounds and set(bounds) <= {"min", "max"}):
            yield path, f"expected {{max: number}}, {{min: number}} or both, got {bounds!r}"
        elif not all(_number(value) for value in bounds.values()):
            yield path, f"expected numbers, got {bounds!r}"


def _of_metric(path: Path_, name: str) -> Iterator[tuple[Path_, str]]:
    try:
        check_metric(name)
    except UserError as error:
        yield path, str(error)


def _of_pruning(search: Search, document: Document) -> Iterator[UserError]:
    """A pruner needs one curve to look at."""
    path = ("search", "pruner")
    if len(search.goals) > 1:
        several = ", ".join(goal.metric for goal in search.goals)
        yield document.error(path, f"prunes by one objective, and there are several: {several}")
    elif not search.goals[0].metric.startswith("val/"):
        metric = search.goals[0].metric
        yield document.error(path, f"{metric!r} has one value a training, not one an epoch")


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
