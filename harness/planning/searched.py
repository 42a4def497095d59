"""What a sweep file says of its search, held against the arms that it is to be made on."""

import itertools
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from harness.config.document import Document, Path_
from harness.config.schema import plain
from harness.errors import Errors, UserError
from harness.files import digest
from harness.planning.arms import fragment
from harness.planning.entries import parse, unread, wrong_conditions
from harness.planning.space import Dimension, free_keys, setting_of
from harness.planning.sweepfile import Search, Sweep
from harness.planning.task import Task, twins
from harness.planning.values import as_yaml
from harness.registry import hint

SPACE = ("search", "space")
RESULT = ("data", "model", "train", "eval")


def space_of(
    search: Search, tasks: Sequence[Task], document: Document, errors: Errors
) -> list[Dimension]:
    """The parsed space, every key and every choice of it tried on every task.

    An entry that is wrong is `Unread`, so that the others and what names them are looked at too.
    """
    dimensions: list[Dimension] = []
    for key, spec in search.space.items():
        try:
            dimension = parse(key, spec)
        except UserError as error:
            errors.add(document.error_below((*SPACE, key), str(error)))
            dimension = unread(key, spec)
        dimensions.append(replace(dimension, where=document.where((*SPACE, key))))
    wrong = [*wrong_conditions(dimensions)]
    for path, message in wrong:
        errors.add(document.error((*SPACE, *path), message))
    for path, message in _wrong_enqueued(search.enqueue, dimensions):
        errors.add(document.error(("search", "enqueue", *path), message))
    for variant in _tried(tasks, dimensions, {key for (key, *_), _ in wrong}):
        variant.builds(errors)
    return dimensions


def _tried(
    tasks: Sequence[Task], space: Sequence[Dimension], wrong: Collection[str]
) -> Iterator[Task]:
    """Every choice of every dimension; where its conditions are `wrong`, or no task is whole, what
    can be said of it alone.
    """
    lost = set(wrong)
    for dimension in space:  # those that others depend on come first
        if any(key in lost for key, _ in dimension.when):
            lost.add(dimension.key)
    for dimension in space:
        if dimension.key in lost or not tasks:
            alone = replace(dimension, when=())
            yield from variants(fragment(dimension.where), [alone])
    known = [dimension for dimension in space if dimension.key not in lost]
    yield from itertools.chain(*(variants(task, known) for task in tasks))


def variants(task: Task, space: Sequence[Dimension]) -> Iterator[Task]:
    """The task with every choice of every dimension, one dimension at a time where it applies."""
    for dimension in space:
        setting = setting_of(dimension, space)
        for value in dimension.examples():
            yield task.changed([*setting, (dimension.key, value)], dimension.where)


def most_ranks(tasks: Sequence[Task], space: Sequence[Dimension]) -> int:
    """The most processes that one of the trainings takes, those of a search's choices included."""
    every = itertools.chain(tasks, *(variants(task, space) for task in tasks))
    return max((task.experiment.train.ranks for task in every), default=1)


def require_validation(tasks: Sequence[Task], document: Document, errors: Errors) -> None:
    """Clips to choose on, whatever else is wrong with a task."""
    path = ("data", "val")
    written = [(task.arm, task.document) for task in tasks]
    blind = [arm for arm, own in written if not own.has(path) or own.at(path) is None]
    if blind:
        message = (
            f"{_listed(blind)} no validation clips to choose on; add data.val, for example "
            "`set: {data.val: {share: 0.2}}`"
        )
        errors.add(document.error(("search",), message))


def require_fair(tasks: Sequence[Task], sweep: Sweep, document: Document, errors: Errors) -> None:
    """Seeds to confirm on that the choice was not made with."""
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
                raise UserError(twins(task, twin, "differ in nothing but what is searched"))


def _fixed(tree: Any, free: Collection[str], at: str = "") -> Any:
    """A configuration without what is searched."""
    if not isinstance(tree, Mapping):
        return tree
    below = {key: f"{at}.{key}" if at else key for key in tree}
    return {k: _fixed(tree[k], free, below[k]) for k in tree if below[k] not in free}


def _listed(arms: Sequence[str]) -> str:
    first, *others = dict.fromkeys(arms)
    if not others:
        return f"arm {first!r} has"
    return f"arm {first!r} and {len(others)} other{'s' if len(others) > 1 else ''} have"


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
                yield place, known[key].refusal(value)
            elif not known[key].applies(params):
                yield place, f"is asked for only when {_told(known[key])}; set that here, too"


def _told(dimension: Dimension) -> str:
    return " and ".join(
        f"{key} is {' or '.join(as_yaml(value) for value in allowed)}"
        for key, allowed in dimension.when
    )
