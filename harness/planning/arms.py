"""From the arms of a sweep file to tasks: each combination of each arm on each data set."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from harness.config.document import Document, Path_, nearby
from harness.config.schema import build
from harness.errors import Errors, UserError
from harness.planning.grid import Combination, combinations, faults
from harness.planning.sweepfile import ArmSpec, Sweep
from harness.planning.task import Change, Task, experiment_task
from harness.planning.values import arm_name


def tasks_of(sweep: Sweep, document: Document, folder: Path, errors: Errors) -> list[Task]:
    """The tasks of every arm, base files being relative to `folder`; what is wrong is collected."""
    tasks = []
    for index, spec in enumerate(sweep.arms):
        with errors.collected():
            for arm in _arm(spec, ("arms", str(index)), document, folder, errors):
                changed = arm.laid(_changes(sweep.set, ("set",), document))
                tasks += _on_data(changed, sweep, document)
    return [task for task in tasks if _builds(task, errors)]


def _builds(task: Task, errors: Errors) -> bool:
    try:
        return bool(task.experiment)
    except UserError as error:
        errors.add(error)
        return False


def check_bases(document: Document, folder: Path, errors: Errors) -> None:
    """Of a sweep file that has errors elsewhere: what can be told of the files of its arms."""
    arms = document.tree.get("arms")
    for index in range(len(arms) if isinstance(arms, list) else 0):
        path = ("arms", str(index))
        with errors.collected():
            _base(build(ArmSpec, document, path), path, document, folder)


def _arm(
    spec: ArmSpec, path: Path_, document: Document, folder: Path, errors: Errors
) -> Iterator[Task]:
    base = _base(spec, path, document, folder)
    base = base.laid(_changes(spec.set, (*path, "set"), document), arm=spec.name or base.arm)
    wrong = [document.error((*path, *place), message) for place, message in faults(spec)]
    for error in wrong:
        errors.add(error)
    for combination in [] if wrong else combinations(spec):
        yield _combined(base, combination, path, document)


def _base(spec: ArmSpec, path: Path_, document: Document, folder: Path) -> Task:
    file = folder / spec.base
    if not file.is_file():
        where = document.where((*path, "base"))
        raise UserError(f"{where}: arms: no such experiment file {file}{nearby(file)}")
    return replace(experiment_task(file), where=document.where(path))


def _combined(base: Task, combination: Combination, path: Path_, document: Document) -> Task:
    changes = [
        Change(setting.key, setting.value, document.where((*path, *setting.path)))
        for setting in combination
    ]
    if not changes:
        return base
    return base.laid(changes, arm=f"{base.arm} {arm_name((c.key, c.value) for c in changes)}")


def _changes(given: dict[str, object], path: Path_, document: Document) -> Iterator[Change]:
    for key, value in given.items():
        yield Change(key, value, document.where((*path, key)))


def _on_data(arm: Task, sweep: Sweep, document: Document) -> list[Task]:
    if not sweep.data:
        return [arm]
    return [
        arm.changed([("data", change)], document.where(("data", str(index))))
        for index, change in enumerate(sweep.data)
    ]
