"""A task: one arm on one data set, an experiment with everything fixed but the seed. No torch."""

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from harness.cell import Cell, Given, Reading, cell_of, given_by
from harness.config.document import Document, assignment
from harness.config.experiment import Experiment
from harness.config.merge import lay_over, load
from harness.config.options import unknown_options
from harness.config.schema import draft
from harness.errors import Errors, UserError
from harness.places import Places
from harness.planning.values import as_yaml


class Change(NamedTuple):
    """A dotted key, what it is set to, and where that stands: "file:line"."""

    key: str
    value: Any
    origin: str


@dataclass
class Task:
    """One arm on one data set, the command that starts it alone, and where the arm stands.

    Tasks made from one another share what they read of the data set. One that is not `whole` has
    lost the rest to an error: only what is written in it can be wrong.
    """

    arm: str
    document: Document
    command: str
    where: str = ""
    reading: Reading = field(default_factory=Reading)
    whole: bool = True
    _given: dict[Places, Given] = field(default_factory=dict, init=False)

    @cached_property
    def experiment(self) -> Experiment:
        """Built when first asked for; UserError with a line for each thing that is wrong."""
        errors = Errors()
        experiment = draft(Experiment, self.document, errors, whole=self.whole)
        errors.tell()
        return experiment

    def builds(self, errors: Errors) -> bool:
        """Whether there is an experiment; what is wrong with it or its options is collected."""
        try:
            experiment = self.experiment
        except UserError as error:
            errors.add(error)
            return False
        for wrong in unknown_options(experiment, self.document) if self.whole else ():
            errors.add(wrong)
        return True

    def changed(self, changes: Iterable[tuple[str, Any]], origin: str, arm: str = "") -> "Task":
        """The same task with dotted keys set to other values, all of which stand in one place."""
        return self.laid([Change(key, value, origin) for key, value in changes], arm)

    def laid(self, changes: Iterable[Change], arm: str = "") -> "Task":
        """The same task with dotted keys set to other values."""
        document, command = self.document, self.command
        for key, value, origin in changes:
            document = lay_over(Experiment, document, assignment(key, value, origin))
            command += f" --set {shlex.quote(f'{key}={as_yaml(value)}')}"
        return replace(self, arm=arm or self.arm, document=document, command=command)

    def given(self, places: Places) -> Given:
        """What its cells have in common."""
        if places not in self._given:
            self._given[places] = given_by(self.experiment, places, self.reading)
        return self._given[places]

    def cell(self, places: Places, plan: str, seed: int, **facts: Any) -> Cell:
        given = self.given(places)
        command = f"{self.command} --set seeds=[{seed}]"
        return cell_of(given, plan=plan, arm=self.arm, seed=seed, command=command, **facts)


def experiment_task(path: Path, overrides: Sequence[str] = ()) -> Task:
    """The experiment of a file, under its own name."""
    document = load(Experiment, path, overrides)
    sets = "".join(f" --set {shlex.quote(text)}" for text in overrides)
    return Task(str(document.tree.get("name")), document, f"harness run {path}{sets}", str(path))
