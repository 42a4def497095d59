"""The entries of `space:` as they are written, and all that is wrong with them; see space.py."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from harness.errors import Errors, UserError
from harness.planning.space import Dimension, whole
from harness.registry import hint

KINDS = ("choice", "int", "float")
SETTINGS = {"choice": {"when"}, "int": {"step", "log", "when"}, "float": {"step", "log", "when"}}
Conditions = tuple[tuple[str, tuple[Any, ...]], ...]


class Unread(Dimension):
    """One whose entry is wrong, so that nothing else is wrong for what it says of this key."""

    def examples(self) -> list[Any]:
        return []

    def takes(self, value: Any) -> bool:  # noqa: ARG002 (whatever it is)
        return True


def parse(key: str, spec: Any) -> Dimension:
    """One entry of `space:`; UserError with a line for each thing that is wrong with it."""
    if not isinstance(spec, dict):
        raise UserError(
            f"expected {{choice: [...]}}, {{int: [a, b]}} or {{float: [a, b]}}, got {spec!r}"
        )
    errors = Errors()
    when: Conditions = ()
    for fault in _faults(spec):
        errors.add(UserError(fault))
    with errors.collected():
        when = _conditions(spec.get("when", {}))
    errors.tell()
    [kind] = _kinds(spec)
    log = bool(spec.get("log", False))
    return Dimension(key, kind, tuple(spec[kind]), spec.get("step"), log, when)


def unread(key: str, spec: Any) -> Unread:
    """In place of an entry that is wrong; of its conditions there may be something to say."""
    try:
        when = _conditions(spec.get("when", {})) if isinstance(spec, dict) else ()
    except UserError:  # told with all else that is wrong with the entry
        when = ()
    return Unread(key, "choice", ("?",), when=when)


def _kinds(spec: Mapping[str, Any]) -> list[str]:
    return [kind for kind in KINDS if kind in spec]


def _faults(spec: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with an entry, other than its conditions."""
    kinds = _kinds(spec)
    if len(kinds) != 1:
        yield f"needs exactly one of {', '.join(KINDS)}, got {', '.join(map(str, spec))}"
        return
    [kind] = kinds
    for name in spec:
        if name != kind and name not in SETTINGS[kind]:
            yield f"{name!r} does not go with {kind}; {hint(name, sorted(SETTINGS[kind]))}"
    if not isinstance(spec[kind], list) or not spec[kind]:
        yield f"{kind}: expected a list, got {spec[kind]!r}"
    elif kind != "choice":
        yield from _wrong_range(kind, spec[kind], spec)


def wrong_conditions(space: Sequence[Dimension]) -> Iterator[tuple[tuple[str, ...], str]]:
    """What is wrong with each `when`, and the way to it in the space."""
    known = {dimension.key: dimension for dimension in space}
    order = list(known)
    for position, dimension in enumerate(space):
        for key, allowed in dimension.when:
            place = (dimension.key, "when", key)
            if key not in known:
                others = [other for other in order if other != dimension.key]
                yield place, f"not a key of the space; {hint(key, others)}"
            elif circle := _circle(dimension.key, key, known):
                yield place, f"goes round in a circle: {' -> '.join(circle)}"
            elif order.index(key) > position:
                yield place, f"stands below {dimension.key}; what is asked for first comes first"
            else:
                yield from ((place, told) for v in allowed if (told := _never(known[key], v)))


def _never(dimension: Dimension, value: Any) -> str:
    """Why a dimension cannot be required to have a value; nothing if it can."""
    if dimension.kind == "float":
        return "is a float, which hardly has one value twice; name a choice or an int"
    return "" if dimension.takes(value) else dimension.refusal(value)


def _circle(start: str, key: str, known: Mapping[str, Dimension]) -> list[str]:
    """The way from a key through conditions back to it, if there is one."""
    ways, seen = [[start, key]], set[str]()
    while ways:
        way = ways.pop()
        if way[-1] == start:
            return way
        if way[-1] in known and way[-1] not in seen:
            seen.add(way[-1])
            ways += [[*way, below] for below, _ in known[way[-1]].when]
    return []


def _conditions(when: Any) -> Conditions:
    if not isinstance(when, dict) or not all(value != [] for value in when.values()):
        raise UserError(f"when: expected `other.key: value` or `other.key: [values]`, got {when!r}")
    return tuple(
        (key, tuple(value) if isinstance(value, list) else (value,)) for key, value in when.items()
    )


def _wrong_range(kind: str, values: list[Any], spec: Mapping[str, Any]) -> Iterator[str]:
    number = int if kind == "int" else int | float
    if len(values) != 2 or not all(isinstance(v, number) and v is not True for v in values):
        yield f"{kind}: expected [lowest, highest], got {values!r}"
        return
    low, high = values
    if low >= high:
        yield f"{kind}: the lowest value {low} is not below the highest {high}"
    if spec.get("log") and low <= 0:
        yield f"{kind}: a log scale needs a lowest value above 0, got {low}"
    if spec.get("log") and "step" in spec:
        yield f"{kind}: step and log do not go together"
    elif "step" in spec and low < high and not _divides(spec["step"], high - low):
        yield f"{kind}: the step {spec['step']} does not divide {high - low}"


def _divides(step: Any, width: float) -> bool:
    """Whether whole steps lead from the lowest value to the highest, up to rounding."""
    if isinstance(step, bool) or not isinstance(step, int | float) or step <= 0:
        return False
    return whole(width / step)
