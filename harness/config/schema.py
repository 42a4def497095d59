"""From a document to dataclasses: the dataclasses are the schema, and all errors come at once.

A *section* is a dataclass. A *component* is a section with `name` and `options`: in YAML its name
alone, or a mapping in which every key that is not a field is an option. Field metadata may hold
`table` (the registry that the name must be in), bounds (`ge`, `gt`, `le`, `lt`), `some` (a list
with at least one value), `folder` (a text that names a folder) and `later` (it came when there were
records already: where it is null it is left out, so that their keys stand).
"""

import re
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass, make_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from harness.config.document import Document, Path_
from harness.errors import UserError
from harness.registry import Registry, hint

T = TypeVar("T")
KEPT_VALUES = 4096
_known: dict[tuple[Any, str], Any] = {}  # converted values, by annotation and how they are written
BOUNDS = {
    "ge": (lambda value, bound: value >= bound, "at least"),
    "gt": (lambda value, bound: value > bound, "more than"),
    "le": (lambda value, bound: value <= bound, "at most"),
    "lt": (lambda value, bound: value < bound, "less than"),
}


@dataclass(kw_only=True)
class Component:
    """A registered component, by name, with the options that its signature takes."""

    name: str
    options: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def short(cls, name: str) -> dict[str, Any]:
        return {"name": name}


def build(section: type[T], document: Document, start: Path_ = ()) -> T:
    """The document as a `section`; UserError with one line for each thing that is wrong."""
    errors: list[str] = []
    value = _section(section, document.at(start), start, document, errors)
    if errors:
        raise UserError("\n".join(dict.fromkeys(errors)))
    return value


def _section(section: type, tree: Any, path: Path_, document: Document, errors: list[str]) -> Any:
    if not isinstance(tree, dict):
        errors.append(str(document.error(path, f"expected a mapping, got {tree!r}")))
        return None
    known = {f.name: f for f in fields(section) if f.name != "options"}
    values: dict[str, Any] = {}
    before = len(errors)
    extra = {key: value for key, value in tree.items() if key not in known}
    if issubclass(section, Component):
        values["options"] = extra
    else:
        near = {key: hint(key, list(known)) for key in extra}
        errors += [str(document.error((*path, k), f"unknown key; {h}")) for k, h in near.items()]
    hints = hints_of(section)
    for name, spec in known.items():
        below = (*path, name)
        if name in tree:
            values[name] = _value(hints[name], spec, tree[name], below, document, errors)
        elif required(spec):
            errors.append(f"{document.where(path)}: {'.'.join(below)}: missing, and has no default")
    return None if len(errors) > before else _built(section, values, path, document, errors)


def _built(
    section: type, values: dict[str, Any], path: Path_, document: Document, errors: list[str]
) -> Any:
    """The section, which may still refuse values that do not go together."""
    try:
        return section(**values)
    except UserError as error:
        errors.append(str(document.error_below(path, str(error))))
        return None


def required(spec: Field[Any]) -> bool:
    return spec.default is MISSING and spec.default_factory is MISSING


def _value(
    annotation: Any,
    spec: Field[Any],
    value: Any,
    path: Path_,
    document: Document,
    errors: list[str],
) -> Any:
    inner = section_of(annotation)
    if inner is not None and not (value is None and allows_none(annotation)):
        element = list_element(annotation)
        if element is None:
            result = _section(inner, value, path, document, errors)
        else:
            items = value if isinstance(value, list) else [value]
            if not items and spec.metadata.get("some"):
                errors.append(str(document.error(path, "needs at least one entry, got []")))
            result = [
                _section(inner, item, (*path, str(i)), document, errors)
                for i, item in enumerate(items)
            ]
        table = spec.metadata.get("table")
        if table is not None and isinstance(result, Component) and result.name not in table:
            wrong = f"no {table.kind} named {result.name!r}; {hint(result.name, table)}"
            errors.append(str(document.error((*path, "name"), wrong)))
        return result
    try:
        converted = convert(annotation, value)
        check_bounds(spec.metadata, converted)
    except UserError as error:
        errors.append(str(document.error(path, str(error))))
        return None
    return converted


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
    """UserError if a number, or a number in a list, lies outside the field's bounds."""
    if value == [] and metadata.get("some"):
        raise UserError("needs at least one value, got []")
    if metadata.get("folder") and not re.fullmatch(r"\w[\w.+-]*", value):
        raise UserError(f"{value!r} cannot name a folder; allowed: letters, digits, _ . + -")
    for key, (holds, words) in BOUNDS.items():
        bound = metadata.get(key)
        for item in value if isinstance(value, list) else [value]:
            if bound is not None and item is not None and not holds(item, bound):
                raise UserError(f"must be {words} {bound}, got {item!r}")


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
def hints_of(section: type) -> dict[str, Any]:
    """The annotations of its fields, looked up once."""
    return get_type_hints(section)


@cache
def _leaf(annotation: Any) -> type:
    return make_dataclass("Leaf", [("value", annotation)])


def section_of(annotation: Any) -> type | None:
    """The dataclass inside `Section`, `Section | None` or `list[Section]`."""
    candidates = [annotation, *get_args(annotation)]
    return next((c for c in candidates if isinstance(c, type) and is_dataclass(c)), None)


def list_of_any(union: Any) -> bool:
    """Whether one member of the union is a list."""
    return any(get_origin(member) is list for member in get_args(union))


def list_element(annotation: Any) -> Any:
    return get_args(annotation)[0] if get_origin(annotation) is list else None


def allows_none(annotation: Any) -> bool:
    return annotation is Any or NoneType in get_args(annotation)


def plain(value: Any) -> Any:
    """A section as the tree that would build it, short forms written out, defaults filled in."""
    if isinstance(value, Component):
        fixed = {f.name: plain(getattr(value, f.name)) for f in fields(value)}
        return {key: v for key, v in fixed.items() if key != "options"} | plain(value.options)
    if is_dataclass(value) and not isinstance(value, type):
        given = {f.name: getattr(value, f.name) for f in fields(value) if not _left_out(value, f)}
        return {name: plain(below) for name, below in given.items()}
    if isinstance(value, dict):
        return {key: plain(below) for key, below in value.items()}
    if isinstance(value, list | tuple):
        return [plain(below) for below in value]
    return value


def _left_out(section: Any, spec: Field[Any]) -> bool:
    return bool(spec.metadata.get("later")) and getattr(section, spec.name) is None


def components(section: Any, path: Path_ = ()) -> Iterator[tuple[Path_, Registry, Component]]:
    """Every component in a section, with its table and where it stands."""
    for f in fields(section):
        value, below = getattr(section, f.name), (*path, f.name)
        if isinstance(value, Component) and "table" in f.metadata:
            yield below, f.metadata["table"], value
        if is_dataclass(value) and not isinstance(value, type):
            yield from components(value, below)
