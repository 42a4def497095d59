"""A task: one arm on one data set, an experiment with everything fixed but the seed. No torch."""

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from harness.cell import Cell, Given, Reading, cell_of, given_by
from harness.config.document import Document, Path_, assignment
from harness.config.experiment import Experiment
from harness.config.merge import lay_over, load
from harness.config.options import unknown_options
from harness.config.schema import draft
from harness.errors import Errors, UserError
from harness.places import Places
from harness.planning.values import as_yaml


class Change(NamedTuple):
    """A dotted key, what it is set to, and where that stands: "file:line"; its parts, too, if they
    stand elsewhere.
    """

    key: str
    value: Any
    origin: str
    parts: Mapping[Path_, str] = MappingProxyType({})

    def document(self) -> Document:
        return assignment(self.key, self.value, self.origin, self.parts)


def change_at(document: Document, path: Path_, key: str, value: Any) -> Change:
    """What stands at this path of a file, as a change of a key."""
    parts = document.parts(path) if isinstance(value, dict | list) else {}
    return Change(key, value, document.where(path), parts)


@dataclass
class Task:
    """One arm on one data set, the command that starts it alone, and where the arm stands.

    `entry`: that of `data` in a sweep which it was made with, "data.0". Tasks made from one another
    share what they read of the data set. One that is not `whole` has lost the rest to an error:
    only what is written in it can be wrong.
    """

    arm: str
    document: Document
    command: str
    where: str = ""
    reading: Reading = field(default_factory=Reading)
    whole: bool = True
    entry: str = ""
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
        sound = True
        try:
            experiment = self.experiment
        except UserError as error:
            errors.add(error)
            sound, experiment = False, draft(Experiment, self.document, Errors(), whole=self.whole)
        for wrong in unknown_options(experiment, self.document) if self.whole else ():
            errors.add(wrong)
        return sound

    def changed(self, changes: Iterable[tuple[str, Any]], origin: str, arm: str = "") -> "Task":
        """The same task with dotted keys set to other values, all of which stand in one place."""
        return self.laid([Change(key, value, origin) for key, value in changes], arm)

    def laid(self, changes: Iterable[Change], arm: str = "") -> "Task":
        """The same task with dotted keys set to other values."""
        document, command = self.document, self.command
        for change in changes:
            document = lay_over(Experiment, document, change.document())
            command += f" --set {shlex.quote(f'{change.key}={as_yaml(change.value)}')}"
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


def twins(task: Task, other: Task, alike: str, place: str = "") -> str:
    """That two tasks are the same, and where they stand: as entries of `data`, or as arms."""
    if task.arm == other.arm and task.entry != other.entry:
        where, first = (one.document.where(("data",)) for one in (task, other))
        told = f"{task.entry}: the same data set as {other.entry} ({first}){place}; drop one"
    else:
        where = task.where
        told = f"arms {other.arm!r} ({other.where}) and {task.arm!r} {alike}{place}; drop one"
    return f"{where}: {told}, or change what differs"
