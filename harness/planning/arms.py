"""From the arms of a sweep file to tasks: each combination of each arm on each data set."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from harness.config.document import Document, Path_, leaves, nearby
from harness.errors import Errors, UserError
from harness.planning.grid import Combination, combinations, faults, settings
from harness.planning.precedence import decided_twice
from harness.planning.sweepfile import ArmSpec, Sweep
from harness.planning.task import Change, Task, change_at, experiment_task
from harness.planning.values import arm_name, as_yaml


def tasks_of(sweep: Sweep, document: Document, folder: Path, errors: Errors) -> list[Task]:
    """The tasks of every arm, be they right or wrong; base files are relative to `folder`.

    What is wrong with the arms is collected; what is wrong with a task, by building it.
    """
    tasks, named = [], dict[str, Task]()
    sets = [*_changes(sweep.set, ("set",), document)]
    entries = {
        f"data.{index}": change_at(document, ("data", str(index)), "data", entry)
        for index, entry in enumerate(sweep.data)
    }
    later = {f"set.{change.key}": change for change in sets} | entries | _searched(sweep, document)
    for index, spec in enumerate(sweep.arms):
        for arm in _arm(spec, ("arms", str(index)), document, folder, later, errors):
            _require_new(arm, named, errors)
            tasks += _on_data(arm.laid(sets), entries)
    return tasks


def _require_new(arm: Task, named: dict[str, Task], errors: Errors) -> None:
    """Tables tell arms apart by their names."""
    other = named.setdefault(arm.arm, arm)
    if other is not arm and arm.whole:
        told = f"a second arm is named {arm.arm!r}, as that of {other.where} is"
        errors.add(UserError(f"{arm.where}: arms: {told}; give one another `name:`"))


def fragment(where: str) -> Task:
    """In place of a task that cannot be made: what is laid over it is wrong or right by itself."""
    return Task("", Document({}, where), "", where, whole=False)


def _arm(
    spec: ArmSpec,
    path: Path_,
    document: Document,
    folder: Path,
    later: Mapping[str, Change],
    errors: Errors,
) -> Iterator[Task]:
    """Its combinations; `later`: what is laid over all of them, by where it stands."""
    base = _base(spec, path, document, folder, errors)
    base = base.laid(_changes(spec.set, (*path, "set"), document), arm=spec.name or base.arm)
    wrong = [document.error((*path, *place), message) for place, message in faults(spec)]
    for error in [*wrong, *decided_twice(spec, path, base, later, document)]:
        errors.add(error)
    if wrong:
        base = replace(base, whole=False)
    for combination in settings(spec) if wrong else combinations(spec):
        yield _combined(base, combination, path, document)


def _base(spec: ArmSpec, path: Path_, document: Document, folder: Path, errors: Errors) -> Task:
    file = folder / spec.base
    with errors.collected():
        if spec.base and not file.is_file():
            where = document.where((*path, "base"))
            raise UserError(f"{where}: arms: no such experiment file {file}{nearby(file)}")
        if spec.base:
            return replace(experiment_task(file), where=document.where(path))
    return fragment(document.where(path))


def _combined(base: Task, combination: Combination, path: Path_, document: Document) -> Task:
    changes = [
        change_at(document, (*path, *setting.path), setting.key, setting.value)
        for setting in combination
    ]
    if not changes:
        return base
    return base.laid(changes, arm=f"{base.arm} {arm_name((c.key, c.value) for c in changes)}")


def _changes(given: dict[str, object], path: Path_, document: Document) -> Iterator[Change]:
    for key, value in given.items():
        yield change_at(document, (*path, key), key, value)


def _searched(sweep: Sweep, document: Document) -> dict[str, Change]:
    """What a search proposes in every trial, whatever that is, by where it stands."""
    space = sweep.search.space if sweep.search else {}
    always = [key for key, one in space.items() if not (isinstance(one, dict) and "when" in one)]
    places = {key: ("search", "space", key) for key in always}
    return {".".join(path): change_at(document, path, key, None) for key, path in places.items()}


def _on_data(arm: Task, entries: Mapping[str, Change]) -> list[Task]:
    if not entries:
        return [arm]
    return [replace(arm.laid([change]), entry=name) for name, change in entries.items()]


def refuse_settings(document: Document, errors: Errors) -> None:
    """What would change an experiment does not stand at the top of a sweep; it is taken out."""
    for key in [key for key in ("data", "model", "train", "eval") if key in document.tree]:
        if key == "data" and not isinstance(document.tree[key], dict):
            continue
        where = document.where((key,))
        for path, value in leaves(document.tree.pop(key), (key,)):
            name, text = ".".join(path), as_yaml(value)
            cure = (
                f"--set set.{name}={text}"
                if where.startswith("--set")
                else f"set: {{{name}: {text}}}"
            )
            errors.add(document.error(path, f"a sweep changes all of its arms by `{cure}`"))
