"""The search space of a sweep file: dotted keys to what may stand there.

model.fusion.name:        {choice: [sum, conv]}
model.fusion.kernel_size: {int: [1, 5], step: 2, when: {model.fusion.name: conv}}
train.optimizer.lr:       {float: [1e-4, 1e-1], log: true}

A dimension with `when` is asked for only where dimensions before it have the values named; where
they have others, its key keeps the value of the arm.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Protocol, runtime_checkable

from harness.planning.values import same
from harness.source import NOT_CACHED


@runtime_checkable
class Suggests(Protocol):
    """What `suggest` needs of an Optuna trial."""

    def suggest_categorical(self, name: str, choices: list[Any]) -> Any: ...
    def suggest_int(self, name: str, low: int, high: int, *, step: int, log: bool) -> int: ...
    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None, log: bool
    ) -> float: ...


@dataclass(frozen=True)
class Dimension:
    """One key of the space: its kind, its values or (low, high), its step and scale.

    `when`: keys of other dimensions, and the values that they must have. `where`: "file:line".
    """

    key: str
    kind: str
    values: tuple[Any, ...]
    step: float | None = None
    log: bool = False
    when: tuple[tuple[str, tuple[Any, ...]], ...] = ()
    where: str = ""

    def examples(self) -> list[Any]:
        """Values to check the file with: every choice, or both ends."""
        return list(self.values)

    def takes(self, value: Any) -> bool:
        """Whether it may propose this value."""
        if self.kind == "choice":
            return any(same(value, choice) for choice in self.values)
        number = int if self.kind == "int" else int | float
        if isinstance(value, bool) or not isinstance(value, number):
            return False
        low, high = self.values
        return low <= value <= high and (not self.step or whole((value - low) / self.step))

    def refusal(self, value: Any) -> str:
        """That it does not take a value, what it takes, and the nearest of that."""
        near = self._nearest(value)
        close = "" if near is None else f"; did you mean {near!r}?"
        step = f", step {self.step}" if self.step else ""
        return f"{value!r} is no value of it{close} ({self.kind}: {list(self.values)}{step})"

    def _nearest(self, value: Any) -> Any:
        """None if nothing is near."""
        if self.kind == "choice":
            names = {str(choice): choice for choice in self.values}
            close = get_close_matches(str(value), names, n=1)
            return names[close[0]] if close else None
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        low, high = self.values
        inside, step = min(max(value, low), high), self.step or (1 if self.kind == "int" else 0)
        steps = low + round((inside - low) / step) * step if step else inside
        return float(f"{steps:.12g}") if self.kind == "float" else steps

    def applies(self, values: Mapping[str, Any]) -> bool:
        """Whether it is asked for, given what the dimensions before it propose."""
        return all(
            key in values and any(same(values[key], value) for value in allowed)
            for key, allowed in self.when
        )

    def finite(self) -> list[Any] | None:
        """All of its values in order; None where there is no end of them."""
        if self.kind == "choice":
            return list(self.values)
        low, high = self.values
        if self.kind == "float" and self.step is None:
            return None
        step = 1 if self.step is None else self.step
        return [low + index * step for index in range(round((high - low) / step) + 1)]

    def suggest(self, trial: Suggests) -> Any:
        if self.kind == "choice":  # as JSON, since Optuna stores scalars only
            options = [json.dumps(value, sort_keys=True) for value in self.values]
            return json.loads(trial.suggest_categorical(self.key, options))
        low, high = self.values
        if self.kind == "int":
            step = 1 if self.step is None else int(self.step)
            return trial.suggest_int(self.key, low, high, step=step, log=self.log)
        return trial.suggest_float(self.key, low, high, step=self.step, log=self.log)

    def stored(self, value: Any) -> Any:
        """A value as Optuna stores it, for `enqueue`."""
        return json.dumps(value, sort_keys=True) if self.kind == "choice" else value


def proposed(space: Sequence[Dimension], trial: Suggests) -> list[tuple[str, Any]]:
    """The keys that a trial sets, and to what; a dimension that does not apply is not asked for."""
    values: dict[str, Any] = {}
    for dimension in space:
        if dimension.applies(values):
            values[dimension.key] = dimension.suggest(trial)
    return list(values.items())


def setting_of(dimension: Dimension, space: Sequence[Dimension]) -> list[tuple[str, Any]]:
    """Values of other dimensions with which this one applies."""
    known = {other.key: other for other in space}
    values: dict[str, Any] = {}
    for key, allowed in dimension.when:
        values |= {k: v for k, v in setting_of(known[key], space) if k not in values}
        values[key] = allowed[0]
    return list(values.items())


def whole(steps: float) -> bool:
    """Whether they lead to a value of the grid, up to rounding."""
    return abs(steps - round(steps)) < 1e-9


def free_keys(space: Sequence[Dimension]) -> set[str]:
    """What a search changes; with its name, all of a component."""
    return {dimension.key.removesuffix(".name") for dimension in space}


def rereads(space: Sequence[Dimension]) -> bool:
    """Whether a search changes how videos are read, so that its trials have caches of their own."""
    ways = [dimension.key.split(".") for dimension in space]
    return any(way[0] == "data" and not {*way[1:2]} & {*NOT_CACHED} for way in ways)
