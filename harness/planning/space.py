"""The search space of a sweep file: dotted keys to what may stand there.

model.fusion.name:  {choice: [sum, conv]}
train.epochs:       {int: [5, 20], step: 5}
train.optimizer.lr: {float: [1e-4, 1e-1], log: true}
"""

import json
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from harness.errors import UserError
from harness.registry import hint

KINDS = ("choice", "int", "float")
SETTINGS = {"choice": set(), "int": {"step", "log"}, "float": {"step", "log"}}


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
    """One key of the space: its kind, its values or (low, high), its step and scale."""

    key: str
    kind: str
    values: tuple[Any, ...]
    step: float | None = None
    log: bool = False

    def examples(self) -> list[Any]:
        """Values to check the file with: every choice, or both ends."""
        return list(self.values)

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
    return Dimension(key, kind, tuple(values), spec.get("step"), bool(spec.get("log", False)))


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
    return abs(width / step - round(width / step)) < 1e-9
