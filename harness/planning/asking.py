"""What a sampler is told when a trial is asked for, and how samplers and pruners are made."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

from harness.config.options import bind
from harness.config.schema import Component
from harness.errors import UserError
from harness.files import digest
from harness.planning import PRUNERS, SAMPLERS
from harness.planning.space import Dimension
from harness.registry import Registry


@dataclass(frozen=True, kw_only=True)
class Ask:
    """One trial of a search: its number, the space, and the points before the sampler's own."""

    space: Sequence[Dimension]
    trial: int = 0
    first: Sequence[Mapping[str, Any]] = field(default=())  # as Optuna stores them
    objectives: int = 1
    kept: dict[str, Any] = field(default_factory=dict)  # what samplers made for all of its trials

    def seeded(self, seed: int) -> int:
        """Of this trial: a restart must not draw again what was drawn before it."""
        return int(digest([seed, self.trial])[:8], 16)


def sampler_of(spec: Any, ask: Ask) -> Any:
    return _made(SAMPLERS, spec, ask)


def pruner_of(spec: Any, epochs: int) -> Any:
    return _made(PRUNERS, spec, epochs)


def longest(epochs: int, space: Sequence[Dimension]) -> int:
    """The most epochs that a trial of an arm with so many may have."""
    searched = [value for d in space if d.key == "train.epochs" for value in d.values]
    return max([epochs, *(value for value in searched if isinstance(value, int))])


def _made(table: Registry, spec: Any, what: Any) -> Any:
    """A component by its name, `{name: ..., options}` or as the file's own; UserError if refused.

    Optuna calls some of them experimental: its interfaces may change, which we hold fixed.
    """
    component = spec if isinstance(spec, Component) else component_of(table, spec)
    options = bind(table, component.name, component.options)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".* is experimental")
        try:
            return table[component.name](what, **options)
        except ValueError as error:  # how Optuna refuses an option
            raise UserError(f"{table.kind} {component.name!r}: {error}") from None


def component_of(table: Registry, spec: Any) -> Component:
    """Of a name, or of a name with options, within the options of another component."""
    if isinstance(spec, str):
        return Component(name=spec)
    if isinstance(spec, dict) and isinstance(spec.get("name"), str):
        return Component(name=spec["name"], options={k: v for k, v in spec.items() if k != "name"})
    raise UserError(f"expected the name of a {table.kind}, or {{name: ...}}, got {spec!r}")


def needs(package: str, who: str) -> None:
    """UserError where a package of the extra `search` is not installed."""
    if find_spec(package) is None:
        raise UserError(f"{who} needs {package}: pip install 'twostream-harness[search]'")
