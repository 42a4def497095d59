"""What a sweep file says of its search, held against the arms that it is to be made on."""

import itertools
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from harness.config.document import Document, Path_
from harness.config.schema import plain
from harness.errors import Errors, UserError
from harness.files import digest
from harness.planning.space import Dimension, free_keys, parse, setting_of, wrong_conditions
from harness.planning.sweepfile import Search, Sweep
from harness.planning.task import Task
from harness.planning.values import as_yaml
from harness.registry import hint

SPACE = ("search", "space")
RESULT = ("data", "model", "train", "eval")


def space_of(
    search: Search, tasks: Sequence[Task], document: Document, errors: Errors
) -> list[Dimension]:
    """The parsed space, every key and every choice of it tried on every task."""
    dimensions, before = [], len(errors.lines)
    for key, spec in search.space.items():
        try:
            where = document.where((*SPACE, key))
            dimensions.append(replace(parse(key, spec), where=where))
        except UserError as error:
            errors.add(document.error_below((*SPACE, key), str(error)))
    if len(dimensions) == len(search.space):  # else a key may only seem to be unknown
        for path, message in wrong_conditions(dimensions):
            errors.add(document.error((*SPACE, *path), message))
        for path, message in _wrong_enqueued(search.enqueue, dimensions):
            errors.add(document.error(("search", "enqueue", *path), message))
    if len(errors.lines) == before:
        for variant in itertools.chain(*(variants(task, dimensions) for task in tasks)):
            with errors.collected():
                variant.experiment  # noqa: B018 (built here, so that every error is told)
    return dimensions


def variants(task: Task, space: Sequence[Dimension]) -> Iterator[Task]:
    """The task with every choice of every dimension, one dimension at a time where it applies."""
    for dimension in space:
        setting = setting_of(dimension, space)
        for value in dimension.examples():
            yield task.changed([*setting, (dimension.key, value)], dimension.where)


def require_fair(tasks: Sequence[Task], sweep: Sweep, document: Document, errors: Errors) -> None:
    """Validation clips to choose on, and seeds to confirm on that the choice was not made with."""
    blind = [task.arm for task in tasks if task.experiment.data.val is None]
    if blind:
        message = (
            f"{_listed(blind)} no validation clips to choose on; add data.val, for example "
            "`set: {data.val: {share: 0.2}}`"
        )
        errors.add(document.error(("search",), message))
    choosing = {task.arm: (sweep.seeds or task.experiment.seeds)[0] for task in tasks}
    for seed in sorted(set(sweep.confirm.seeds) & set(choosing.values())):
        arm = next(name for name, own in choosing.items() if own == seed)
        message = f"{seed} is the seed that the search of arm {arm!r} chooses with"
        errors.add(document.error(("confirm", "seeds"), f"{message}; confirm on others"))


def require_distinct(tasks: Sequence[Task], space: Sequence[Dimension], errors: Errors) -> None:
    """Arms that differ in nothing but what is searched would share trainings and their records."""
    free, seen = free_keys(space), dict[str, Task]()
    for task in tasks:
        with errors.collected():
            config = {k: v for k, v in plain(task.experiment).items() if k in RESULT}
            twin = seen.setdefault(digest(_fixed(config, free)), task)
            if twin is not task:
                raise UserError(
                    f"{task.where}: arms {twin.arm!r} ({twin.where}) and {task.arm!r} differ in "
                    "nothing but what is searched; drop one, or change what differs"
                )


def _fixed(tree: Any, free: Collection[str], at: str = "") -> Any:
    """A configuration without what is searched."""
    if not isinstance(tree, Mapping):
        return tree
    below = {key: f"{at}.{key}" if at else key for key in tree}
    return {k: _fixed(tree[k], free, below[k]) for k in tree if below[k] not in free}


def _listed(arms: Sequence[str]) -> str:
    first, *others = dict.fromkeys(arms)
    return f"arm {first!r} and {len(others)} others have" if others else f"arm {first!r} has"


def _wrong_enqueued(
    enqueue: Sequence[Mapping[str, Any]], space: Sequence[Dimension]
) -> Iterator[tuple[Path_, str]]:
    """What is wrong with each configuration of `enqueue`, and the way to it."""
    known = {dimension.key: dimension for dimension in space}
    for index, params in enumerate(enqueue):
        for key, value in params.items():
            place = (str(index), key)
            if key not in known:
                yield place, f"not a key of the space; {hint(key, known)}"
            elif not known[key].takes(value):
                values = list(known[key].values)
                yield place, f"{value!r} is no value of it ({known[key].kind}: {values})"
            elif not known[key].applies(params):
                yield place, f"is asked for only when {_told(known[key])}; set that here, too"


def _told(dimension: Dimension) -> str:
    return " and ".join(
        f"{key} is {' or '.join(as_yaml(value) for value in allowed)}"
        for key, allowed in dimension.when
    )
