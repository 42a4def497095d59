"""The search space of a sweep file: dotted keys to what may stand there.

model.fusion.name:        {choice: [sum, conv]}
model.fusion.kernel_size: {int: [1, 5], step: 2, when: {model.fusion.name: conv}}
train.optimizer.lr:       {float: [1e-4, 1e-1], log: true}

A dimension with `when` is asked for only where dimensions before it have the values named; where
they have others, its key keeps the value of the arm.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from harness.errors import UserError
from harness.planning.values import same
from harness.registry import hint
from harness.source import NOT_CACHED

KINDS = ("choice", "int", "float")
SETTINGS = {"choice": {"when"}, "int": {"step", "log", "when"}, "float": {"step", "log", "when"}}


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
        return low <= value <= high and (not self.step or _whole((value - low) / self.step))

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


def parse(key: str, spec: Any) -> Dimension:
    """One entry of `space:`; UserError says what is wrong with it."""
    if not isinstance(spec, dict):
        raise UserError(
            f"expected {{choice: [...]}}, {{int: [a, b]}} or {{float: [a, b]}}, got {spec!r}"
        )
    kinds = [kind for kind in KINDS if kind in spec]
    if len(kinds) != 1:
        raise UserError(f"needs exactly one of {', '.join(KINDS)}, got {', '.join(map(str, spec))}")
    kind = kinds[0]
    for name in set(spec) - {kind}:
        if name not in SETTINGS[kind]:
            raise UserError(
                f"{name!r} does not go with {kind}; {hint(name, sorted(SETTINGS[kind]))}"
            )
    values = spec[kind]
    if not isinstance(values, list) or not values:
        raise UserError(f"{kind}: expected a list, got {values!r}")
    if kind != "choice":
        _check_range(kind, values, spec)
    log, when = bool(spec.get("log", False)), _conditions(spec.get("when", {}))
    return Dimension(key, kind, tuple(values), spec.get("step"), log, when)


def wrong_conditions(space: Sequence[Dimension]) -> Iterator[tuple[tuple[str, ...], str]]:
    """What is wrong with each `when`, and the way to it in the space."""
    known = {dimension.key: dimension for dimension in space}
    order = list(known)
    for position, dimension in enumerate(space):
        for key, allowed in dimension.when:
            place = (dimension.key, "when", key)
            if key not in known:
                yield place, f"not a key of the space; {hint(key, order)}"
            elif circle := _circle(dimension.key, key, known):
                yield place, f"goes round in a circle: {' -> '.join(circle)}"
            elif order.index(key) > position:
                yield place, f"stands below {dimension.key}; what is asked for first comes first"
            else:
                yield from ((place, told) for v in allowed if (told := _never(known[key], v)))


def _never(dimension: Dimension, value: Any) -> str:
    """Why a dimension cannot be required to have a value; nothing if it can."""
    if dimension.kind == "float":
        return "is a float, which hardly has one value twice; name a choice or an int"
    if dimension.takes(value):
        return ""
    return f"{value!r} is no value of it ({dimension.kind}: {list(dimension.values)})"


def _circle(start: str, key: str, known: Mapping[str, Dimension]) -> list[str]:
    """The way from a key through conditions back to it, if there is one."""
    ways, seen = [[start, key]], set[str]()
    while ways:
        way = ways.pop()
        if way[-1] == start:
            return way
        if way[-1] in known and way[-1] not in seen:
            seen.add(way[-1])
            ways += [[*way, below] for below, _ in known[way[-1]].when]
    return []


def _conditions(when: Any) -> tuple[tuple[str, tuple[Any, ...]], ...]:
    if not isinstance(when, dict) or not all(value != [] for value in when.values()):
        raise UserError(f"when: expected `other.key: value` or `other.key: [values]`, got {when!r}")
    return tuple(
        (key, tuple(value) if isinstance(value, list) else (value,)) for key, value in when.items()
    )


def _check_range(kind: str, values: list[Any], spec: dict[str, Any]) -> None:
    number = int if kind == "int" else int | float
    if len(values) != 2 or not all(isinstance(v, number) and v is not True for v in values):
        raise UserError(f"{kind}: expected [lowest, highest], got {values!r}")
    low, high = values
    if low >= high:
        raise UserError(f"{kind}: the lowest value {low} is not below the highest {high}")
    if spec.get("log") and low <= 0:
        raise UserError(f"{kind}: a log scale needs a lowest value above 0, got {low}")
    if "step" in spec and not _divides(spec["step"], high - low):
        raise UserError(f"{kind}: the step {spec['step']} does not divide {high - low}")
    if spec.get("log") and "step" in spec:
        raise UserError(f"{kind}: step and log do not go together")


def _divides(step: Any, width: float) -> bool:
    """Whether whole steps lead from the lowest value to the highest, up to rounding."""
    if isinstance(step, bool) or not isinstance(step, int | float) or step <= 0:
        return False
    return _whole(width / step)


def _whole(steps: float) -> bool:
    return abs(steps - round(steps)) < 1e-9


def free_keys(space: Sequence[Dimension]) -> set[str]:
    """What a search changes; with its name, all of a component."""
    return {dimension.key.removesuffix(".name") for dimension in space}


def rereads(space: Sequence[Dimension]) -> bool:
    """Whether a search changes how videos are read, so that its trials have caches of their own."""
    ways = [dimension.key.split(".") for dimension in space]
    return any(way[0] == "data" and not {*way[1:2]} & {*NOT_CACHED} for way in ways)
