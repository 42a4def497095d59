"""What a search wants, read from records: values by its objectives, and constraints."""

from collections.abc import Mapping, Sequence

from harness.errors import UserError
from harness.planning.sweepfile import Objective, Search
from harness.registry import hint
from harness.results.record import Record

Values = Mapping[str, float | None]


def values_of(search: Search, record: Record) -> list[float]:
    return [measured(goal.metric, record) for goal in search.goals]


def violations(search: Search, record: Record) -> dict[str, float]:
    """By how much each constraint is exceeded; 0 or less where it holds."""
    found = {}
    for metric, bounds in search.constraints.items():
        value = measured(metric, record)
        if "max" in bounds:
            found[f"{metric} <= {bounds['max']:g}"] = value - bounds["max"]
        if "min" in bounds:
            found[f"{metric} >= {bounds['min']:g}"] = bounds["min"] - value
    return found


def measured(metric: str, record: Record) -> float:
    """What a record that is done must have, to be told."""
    value = record.value(metric)
    if value is None:
        raise _missing(metric, [*record.metrics, *(f"cost/{name}" for name in record.cost)])
    return value


def watched(search: Search) -> Objective | None:
    """The objective whose curve is followed: a validation metric that is the only objective."""
    goal = search.goals[0]
    alone = len(search.goals) == 1
    return goal if alone and goal.metric.startswith("val/") else None


def logged(goal: Objective, metrics: Values) -> float:
    """Its value after an epoch; what was logged and is no number is one that pruners know."""
    if goal.metric not in metrics:
        raise _missing(goal.metric, list(metrics))
    value = metrics[goal.metric]
    return float("nan") if value is None else float(value)


def _missing(metric: str, there: Sequence[str]) -> UserError:
    validated = any(name.startswith("val/") for name in there)
    cure = "; validation metrics need validation clips: data.val: {share: 0.2}"
    return UserError(
        f"search: {metric!r} was not measured; {hint(metric, list(there))}"
        f"{cure if metric.startswith('val/') and not validated else ''}"
    )
