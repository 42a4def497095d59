"""The points that are tried before the sampler proposes: the arm's own values, then `enqueue`."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from harness.config.schema import components, plain
from harness.planning.space import Dimension, proposed
from harness.planning.task import Task

Point = dict[str, Any]  # as Optuna stores it


def first_points(
    task: Task,
    space: Sequence[Dimension],
    enqueue: Sequence[Mapping[str, Any]],
    note: Callable[[str], None],
) -> list[Point]:
    """Each of them once; a note where the arm's own values do not lie in the space."""
    dimensions = {dimension.key: dimension for dimension in space}
    points = [
        {key: dimensions[key].stored(value) for key, value in point.items()} for point in enqueue
    ]
    own = _Own(task, dimensions)
    default = {key: dimensions[key].stored(value) for key, value in proposed(space, own)}
    if own.outside:
        note(f"{task.arm}: its own values are not trial 0: {'; '.join(own.outside)}")
    else:
        points.insert(0, default)
    return [point for index, point in enumerate(points) if point not in points[:index]]


class _Own:
    """A trial that proposes what the arm has; what it cannot propose is `outside`."""

    def __init__(self, task: Task, dimensions: Mapping[str, Dimension]) -> None:
        self.task, self.dimensions = task, dimensions
        self.outside: list[str] = []

    def suggest_categorical(self, name: str, choices: list[Any]) -> Any:
        value = self._value(name)
        if not self.dimensions[name].takes(value):
            value = next((c for c in self.dimensions[name].values if self._is(name, c)), value)
        self._check(name, value)
        return json.dumps(value, sort_keys=True) if value is not None else choices[0]

    def suggest_int(self, name: str, low: int, *_: Any, **__: Any) -> int:
        value = self._value(name)
        return value if self._check(name, value) else low

    def suggest_float(self, name: str, low: float, *_: Any, **__: Any) -> float:
        value = self._value(name)
        return value if self._check(name, value) else low

    def _check(self, name: str, value: Any) -> bool:
        if self.dimensions[name].takes(value):
            return True
        told = "has no value that is known beforehand" if value is None else f"is {value!r}"
        self.outside.append(f"{name} {told}")
        return False

    def _is(self, key: str, choice: Any) -> bool:
        """Whether a choice is what the arm has, written in another way."""
        changed = self.task.changed([(key, choice)], self.task.arm)
        return _results(changed) == _results(self.task)

    def _value(self, key: str) -> Any:
        """What the arm has at a key, or the default of an option that it does not give."""
        value: Any = plain(self.task.experiment)
        for name in key.split("."):
            if not isinstance(value, dict) or name not in value:
                return self._default(tuple(key.split(".")))
            value = value[name]
        return value

    def _default(self, path: tuple[str, ...]) -> Any:
        for place, table, component in components(self.task.experiment):
            if path[:-1] == place:
                return table.default(component.name, path[-1])
        return None


def _results(task: Task) -> Any:
    experiment = task.experiment
    return (experiment.data, experiment.model, experiment.train, experiment.eval)
