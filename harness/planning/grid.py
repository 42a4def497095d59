"""The combinations that an arm of a sweep stands for: grid, zip, exclude, include, in this order.

1. `grid: {a: [1, 2], b: [3, 4]}` is every value of each key with every value of the others.
2. `zip: {c: [5, 6], d: [7, 8]}` is one more axis of the grid, whose values are several keys at
   once: c=5 d=7, then c=6 d=8.
3. `exclude: [{a: 1, c: 5}]` drops every combination that has all of these values.
4. `include: [{a: 9, e: 0}]` adds combinations, which nothing drops. A key that one does not name
   keeps the value of the base; `{}` is the base as it is.

An arm with neither grid nor zip is what it includes, and without that its base alone.
"""

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from harness.planning.values import same
from harness.registry import hint

Path_ = tuple[str, ...]


class Setting(NamedTuple):
    """A key, its value, and the way to that value in the arm: ("grid", "a", "0")."""

    key: str
    value: Any
    path: Path_


Combination = tuple[Setting, ...]


class Combining(Protocol):
    """What of an arm decides its combinations."""

    grid: dict[str, list[Any]]
    zip: dict[str, list[Any]]
    include: list[dict[str, Any]]
    exclude: list[dict[str, Any]]


def combinations(arm: Combining) -> list[Combination]:
    """Every combination of an arm in which `faults` finds nothing wrong."""
    kept = [one for one in _product(arm) if not any(_has(one, what) for what in arm.exclude)]
    return [*kept, *_included(arm)] or [()]


def settings(arm: Combining) -> list[Combination]:
    """Each value by itself: what can be said of an arm whose combinations are not known."""
    alone = [
        (Setting(key, value, (name, key, str(i))),)
        for name, lists in (("grid", arm.grid), ("zip", arm.zip))
        for key, values in lists.items()
        for i, value in enumerate(values)
    ]
    return [(), *alone, *_included(arm)]


def faults(arm: Combining) -> Iterator[tuple[Path_, str]]:
    """What is wrong, and the way to it in the arm."""
    wrong = [*_wrong_lists(arm)]
    yield from wrong
    product = [] if wrong else _product(arm)
    yield from _wrong_excludes(arm, product)
    for index, what in enumerate(arm.include):
        twins = [*product, *(_settings(other, ()) for other in arm.include[:index])]
        if any(_values(twin) == what for twin in twins):
            yield ("include", str(index)), f"{what!r} is one of the combinations already"


def _product(arm: Combining) -> list[Combination]:
    """The combinations of grid and zip alone; none where the arm has neither."""
    axes: list[list[Combination]] = [
        [(Setting(key, value, ("grid", key, str(i))),) for i, value in enumerate(values)]
        for key, values in arm.grid.items()
    ]
    if arm.zip:
        lists = [
            [Setting(key, value, ("zip", key, str(i))) for i, value in enumerate(values)]
            for key, values in arm.zip.items()
        ]
        axes.append(list(zip(*lists, strict=True)))
    if not axes:
        return []
    return [tuple(itertools.chain(*parts)) for parts in itertools.product(*axes)]


def _included(arm: Combining) -> list[Combination]:
    return [_settings(what, ("include", str(i))) for i, what in enumerate(arm.include)]


def _wrong_lists(arm: Combining) -> Iterator[tuple[Path_, str]]:
    for name, lists in (("grid", arm.grid), ("zip", arm.zip)):
        for key, values in lists.items():
            if not values:
                yield (name, key), "needs at least one value, got []"
    for key in arm.zip:
        if key in arm.grid:
            yield ("zip", key), "is a key of grid, too; leave it in one of them"
    lengths = {key: len(values) for key, values in arm.zip.items()}
    if len(set(lengths.values())) > 1:
        given = ", ".join(f"{key} has {length}" for key, length in lengths.items())
        yield (
            ("zip",),
            f"takes one value of each list at a time, so they are of one length; {given}",
        )


def _wrong_excludes(arm: Combining, product: Sequence[Combination]) -> Iterator[tuple[Path_, str]]:
    keys = [*arm.grid, *arm.zip]
    dropped: Counter[int] = Counter()
    for index, what in enumerate(arm.exclude):
        place = ("exclude", str(index))
        unknown = [key for key in what if key not in keys]
        for key in unknown:
            yield (*place, key), f"is no key of grid or zip; {hint(key, keys)}"
        matched = [i for i, one in enumerate(product) if _has(one, what)]
        dropped.update(matched)
        if not what:
            yield place, "{} drops every combination; name a key and its value"
        elif product and not unknown and not matched:
            yield place, f"{what!r} matches no combination; it drops those that have all its values"
    if product and len(dropped) == len(product) and not arm.include:
        yield ("exclude",), f"drops all of the {len(product)} combinations"


def _has(combination: Combination, wanted: Mapping[str, Any]) -> bool:
    values = _values(combination)
    return all(key in values and same(values[key], value) for key, value in wanted.items())


def _values(combination: Combination) -> dict[str, Any]:
    return {setting.key: setting.value for setting in combination}


def _settings(what: Mapping[str, Any], path: Path_) -> Combination:
    return tuple(Setting(key, value, (*path, key)) for key, value in what.items())
