"""One YAML value as the type that an annotation names, within the bounds that a field sets."""

import re
from copy import deepcopy
from dataclasses import make_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from harness.errors import UserError
from harness.registry import hint

KEPT_VALUES = 4096
_known: dict[tuple[Any, str], Any] = {}  # converted values, by annotation and how they are written
BOUNDS = {
    "ge": (lambda value, bound: value >= bound, "at least"),
    "gt": (lambda value, bound: value > bound, "more than"),
    "le": (lambda value, bound: value <= bound, "at most"),
    "lt": (lambda value, bound: value < bound, "less than"),
}


def convert(annotation: Any, value: Any) -> Any:
    """A YAML value as the annotated type; UserError says what was expected and given.

    Remembered, since a plan converts the same few values again and again, at 1 ms each.
    """
    if fits(annotation, value):
        return value
    if not isinstance(value, str | int | float | list | None):
        return _converted(annotation, value)
    key = (annotation, repr(value))  # which tells 1 from true and from 1.0
    if key not in _known:
        if len(_known) == KEPT_VALUES:
            _known.clear()
        _known[key] = _converted(annotation, value)
    return deepcopy(_known[key])


def _converted(annotation: Any, value: Any) -> Any:
    wrong = UserError(f"expected {describe(annotation)}, got {value!r}")
    if get_origin(annotation) in (Union, UnionType) and list_of_any(annotation):
        return _first_that_fits(get_args(annotation), value, wrong)
    if annotation is str and not isinstance(value, str):
        raise UserError(f"expected text, got {value!r}; put it in quotes, as it is to be read")
    if annotation is bool and not isinstance(value, bool):
        raise wrong
    if get_origin(annotation) in (list, tuple) and not isinstance(value, list | tuple):
        raise wrong
    try:
        typed = OmegaConf.merge(OmegaConf.structured(_leaf(annotation)), {"value": value})
        plain = OmegaConf.to_container(typed, resolve=False)
    except OmegaConfBaseException:
        near = hint(value, [str(a) for a in get_args(annotation)])
        if get_origin(annotation) is Literal:
            raise UserError(f"{value!r} is not allowed; {near}") from None
        raise wrong from None
    assert isinstance(plain, dict)
    return plain["value"]


def fits(annotation: Any, value: Any) -> bool:
    """Whether a value is what the annotation says as it stands: OmegaConf takes 1 ms to agree.

    >>> fits(int | None, 3), fits(float, 3), fits(Literal["a", "b"], "a")
    (True, False, True)
    """
    origin, args = get_origin(annotation), get_args(annotation)
    if origin in (Union, UnionType):
        return any(fits(member, value) for member in args)
    if origin is Literal:
        return any(type(value) is type(member) and value == member for member in args)
    if annotation is str:
        return type(value) is str and "$" not in value and value != "???"
    return annotation in (bool, int, float, NoneType) and type(value) is annotation


def _first_that_fits(annotations: tuple[Any, ...], value: Any, wrong: UserError) -> Any:
    """OmegaConf knows no union with a list in it, so its members are tried in turn."""
    for annotation in annotations:
        try:
            return convert(annotation, value)
        except UserError:
            continue
    raise wrong


def check_bounds(metadata: Any, value: Any) -> None:
    """UserError if a value is refused, or a number in it lies outside the field's bounds."""
    if value == [] and metadata.get("some"):
        raise UserError("needs at least one value, got []")
    if metadata.get("distinct") and (again := _repeated(value or [])):
        raise UserError(f"{again[0]!r} is given twice")
    if metadata.get("folder") and not re.fullmatch(r"\w[\w.+-]*", value):
        raise UserError(f"{value!r} cannot name a folder; allowed: letters, digits, _ . + -")
    for key, (holds, words) in BOUNDS.items():
        bound = metadata.get(key)
        for item in value if isinstance(value, list) else [value]:
            if bound is not None and item is not None and not holds(item, bound):
                raise UserError(f"must be {words} {bound}, got {item!r}")
    if "check" in metadata:
        metadata["check"](value)


def _repeated(values: list[Any]) -> list[Any]:
    return [value for index, value in enumerate(values) if value in values[:index]]


def describe(annotation: Any) -> str:
    """The annotation in words: `list of int`, `float or null`.

    >>> describe(list[int]), describe(float | None), describe(Literal["a", "b"])
    ('list of int', 'float or null', "'a' or 'b'")
    """
    origin, args = get_origin(annotation), get_args(annotation)
    if origin in (Union, UnionType):
        return " or ".join(describe(arg) for arg in args)
    if origin is Literal:
        return " or ".join(repr(arg) for arg in args)
    if origin in (list, tuple):
        return "list of " + describe(args[0])
    names = {NoneType: "null", str: "text", bool: "true or false", dict: "a mapping"}
    return names.get(origin or annotation, getattr(annotation, "__name__", str(annotation)))


@cache
def _leaf(annotation: Any) -> type:
    return make_dataclass("Leaf", [("value", annotation)])


def list_of_any(union: Any) -> bool:
    """Whether one member of the union is a list."""
    return any(get_origin(member) is list for member in get_args(union))
