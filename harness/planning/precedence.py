"""One key, one place: what decides a key of an arm twice, so that one of the two is without effect.

An arm is made in this order, and what comes later wins: its base, its own `set`, its combination
(`grid`, `zip`, `include`), the `set` of the sweep, an entry of its `data`, what a search proposes.
A combination names the arm, so that nothing later may change what it decides; and it may not undo
all of what the arm itself sets.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from harness.config.document import Document, Path_, assignment, leaves
from harness.config.experiment import Experiment
from harness.config.merge import normalise
from harness.errors import UserError
from harness.planning.sweepfile import ArmSpec
from harness.planning.task import Change, Task

Paths = set[Path_]


class Values(NamedTuple):
    """The values of one key in one place of an arm: ("grid", "train.epochs")."""

    path: Path_
    key: str
    values: Sequence[Any]

    @property
    def decides(self) -> Paths:
        return {path for value in self.values for path in decided(self.key, value)}


def decided(key: str, value: Any) -> Paths:
    """The way to each thing that a key set to a value decides; short forms count as long ones.

    >>> decided("model.fusion", "conv")
    {('model', 'fusion', 'name')}
    """
    tree = normalise(Experiment, assignment(key, value, "")).tree
    return {path for path, _ in leaves(tree, ())}


def decided_twice(
    arm: ArmSpec, at: Path_, base: Task, later: Mapping[str, Change], document: Document
) -> Iterator[UserError]:
    """Of an arm that stands at a path of the sweep; `later`: what is laid over its combinations."""
    found = [*_undone(arm, at, document), *_overruled(arm, base, later)]
    for path, by, where in found:
        told = f"{by} ({where}) decides it, too, and is laid over it; leave it in one of them"
        yield document.error((*at, *path), told)


def _undone(arm: ArmSpec, at: Path_, document: Document) -> Iterator[tuple[Path_, str, str]]:
    """What of an arm's own `set` every combination decides, too."""
    groups = _groups(arm)
    for key, value in arm.set.items():
        wanted = decided(key, value)
        by = [[own for own in group if _covers(own.decides, wanted)] for group in groups]
        if wanted and by and all(by):
            first = (*at, *by[0][0].path)
            yield ("set", key), ".".join(first), document.where(first)


def _overruled(
    arm: ArmSpec, base: Task, later: Mapping[str, Change]
) -> Iterator[tuple[Path_, str, str]]:
    """What of an arm's combinations is changed by what is laid over them."""
    over = {name: decided(change.key, change.value) for name, change in later.items()}
    for own in (own for group in _groups(arm) for own in group):
        decides = own.decides
        for name, change in later.items():
            met = [path for path in over[name] if any(_meet(path, one) for one in decides)]
            if met or _lost(own, decides, over[name], base, change):
                where = change.document().where(min(met)) if met else change.origin
                yield own.path, name, where


def _groups(arm: ArmSpec) -> list[list[Values]]:
    """What the combinations decide: those of grid and zip alike, each of include by itself."""
    lists = [("grid", arm.grid), ("zip", arm.zip)]
    product = [
        Values((name, key), key, values) for name, keys in lists for key, values in keys.items()
    ]
    included = [
        [Values(("include", str(i), key), key, [value]) for key, value in what.items()]
        for i, what in enumerate(arm.include)
    ]
    return [*([product] if product else []), *included]


def _meet(one: Path_, other: Path_) -> bool:
    """Whether they are one key, or one is a part of the other."""
    length = min(len(one), len(other))
    return one[:length] == other[:length]


def _covers(decides: Paths, wanted: Paths) -> bool:
    return all(any(path[: len(own)] == own for own in decides) for path in wanted)


def _lost(own: Values, decides: Paths, over: Paths, base: Task, change: Change) -> bool:
    """Whether it is an option of a component in whose place another is put."""
    replaced = [path[:-1] for path in over if path[-1] == "name"]
    if not base.whole or not any(_meet(path, one) for path in replaced for one in decides):
        return False
    task = base.laid([Change(own.key, own.values[0], "")])
    laid = task.laid([change]).document
    return any(task.document.has(path) and not laid.has(path) for path in decides)
