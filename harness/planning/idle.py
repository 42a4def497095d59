"""Pruners that can end no trial, since the search is over before they begin to look."""

from collections.abc import Iterator, Sequence
from typing import Any

from harness.config.schema import Component
from harness.planning import PRUNERS
from harness.planning.asking import component_of, longest
from harness.planning.space import Dimension
from harness.planning.sweepfile import Search
from harness.planning.task import Task


def idle_pruner(search: Search, tasks: Sequence[Task], space: Sequence[Dimension]) -> Iterator[str]:
    """Why the pruner of a search cannot act; nothing if it can."""
    epochs = longest(max(task.experiment.train.epochs for task in tasks), space)
    yield from idle(search.pruner, search.limit.trials, epochs)


def idle(pruner: Any, trials: int | None, epochs: int) -> Iterator[str]:
    """The same for a pruner, or the one that it holds back; `trials` is None if nobody knows.

    >>> [*idle("median", 5, 9)]
    ["'median' can end no trial: it waits for 5 to end (n_startup_trials), and there are 5"]
    """
    component = pruner if isinstance(pruner, Component) else component_of(PRUNERS, pruner)
    if component.options.get("wrapped") is not None:  # of `patient`
        yield from idle(component.options["wrapped"], trials, epochs)
    waits, spares = (_option(component, name) for name in ("n_startup_trials", "n_warmup_steps"))
    who = f"{component.name!r} can end no trial"
    if trials is not None and waits >= trials:
        yield f"{who}: it waits for {waits} to end (n_startup_trials), and there are {trials}"
    if spares >= epochs:
        yield f"{who}: it spares {spares} epochs (n_warmup_steps), and trainings have {epochs}"


def _option(component: Component, name: str) -> int:
    """As given or by default; 0 where there is no such option."""
    default = PRUNERS.default(component.name, name) or 0
    return int(component.options.get(name, default))
