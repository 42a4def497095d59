"""From a document to dataclasses: the dataclasses are the schema, and all errors come at once.

A *section* is a dataclass. A *component* is a section with `name` and `options`: in YAML its name
alone, or a mapping in which every key that is not a field is an option. Field metadata may hold
`table` (the registry that the name must be in), bounds (`ge`, `gt`, `le`, `lt`), `some` (a list
with at least one value), `distinct` (one without repetitions), `folder` (a text that names a
folder), `check` (a function that raises UserError for a value that it refuses) and `later` (it came
when there were records already: where it is null it is left out, so that their keys stand).
"""

from collections.abc import Iterator
from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass
from functools import cache
from types import NoneType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from harness.config.convert import check_bounds, convert
from harness.config.document import Document, Path_, inline
from harness.errors import Errors, UserError
from harness.registry import Registry, hint

T = TypeVar("T")


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
    errors = Errors()
    value = draft(section, document, errors, start)
    errors.tell()
    return value


def draft(
    section: type[T], document: Document, errors: Errors, start: Path_ = (), *, whole: bool = True
) -> T:
    """As much of a `section` as is right; the rest is told to `errors`, and as by default or empty.

    What is not `whole` is a part of something that cannot be read: that is held neither against
    what is missing nor against what does not go together.
    """
    reader = _Reader(document, whole)
    value: T = reader.section(section, document.at(start), start)
    for line in reader.lines:
        errors.add(UserError(line))
    return value


class _Reader:
    """Reads sections of a document, and keeps a line for each thing that is wrong."""

    def __init__(self, document: Document, whole: bool) -> None:
        self.document, self.whole = document, whole
        self.lines: list[str] = []

    def section(self, section: type, tree: Any, path: Path_) -> Any:
        refused = _refused(section, tree)
        if refused or not isinstance(tree, dict):
            return self._wrong(path, refused or f"expected a mapping, got {tree!r}", section)
        before = len(self.lines)
        known = {f.name: f for f in fields(section) if f.name != "options"}
        values = self._extra(section, {k: v for k, v in tree.items() if k not in known}, path)
        for name, spec in known.items():
            if name in tree:
                told = len(self.lines)
                value = self._value(section, spec, tree[name], (*path, name))
                if value is not None or len(self.lines) == told:
                    values[name] = value
            elif required(spec) and self.whole:
                key = ".".join((*path, name))
                self.lines.append(
                    f"{self.document.where(path)}: {key}: missing, and has no default"
                )
        if len(self.lines) > before or not self.whole:
            return _unchecked(section, values)
        try:
            return section(**values)
        except UserError as error:  # values that do not go together
            self.lines.append(str(self.document.error_below(path, str(error))))
            return _unchecked(section, values)

    def _extra(self, section: Any, extra: dict[str, Any], path: Path_) -> dict[str, Any]:
        """Keys that are no fields: the options of a component, elsewhere wrong."""
        if issubclass(section, Component):
            return {"options": extra}
        known = [f.name for f in fields(section)]
        for key in extra:
            self._wrong((*path, key), f"unknown key; {hint(key, known)}")
        return {}

    def _value(self, section: type, spec: Field[Any], value: Any, path: Path_) -> Any:
        """None where it is wrong, and no part of it is right."""
        annotation = hints_of(section)[spec.name]
        inner = section_of(annotation)
        if inner is not None and not (value is None and allows_none(annotation)):
            if list_element(annotation) is not None:
                return self._list(inner, spec, value, path)
            whole = _with_name(inner, spec, value)
            return self._named(spec, self.section(inner, whole, path), path)
        if annotation == dict[str, list[Any]] and isinstance(value, dict):
            value = self._lists(value, path)
        try:
            converted = convert(annotation, value)
            check_bounds(spec.metadata, converted)
        except UserError as error:
            return self._wrong(path, str(error))
        return converted

    def _list(self, inner: type, spec: Field[Any], value: Any, path: Path_) -> list[Any]:
        items = value if isinstance(value, list) else [value]
        if not items and spec.metadata.get("some"):
            self._wrong(path, "needs at least one entry, got []")
        return [self.section(inner, item, (*path, str(i))) for i, item in enumerate(items)]

    def _lists(self, tree: dict[str, Any], path: Path_) -> dict[str, Any]:
        """Lists of values by key; one value alone is told, and looked at as a list of one."""
        for key, value in tree.items():
            if not isinstance(value, list):
                cure = f"write {inline([value])}"
                self._wrong((*path, key), f"expected a list of values, got {value!r}; {cure}")
        return {key: value if isinstance(value, list) else [value] for key, value in tree.items()}

    def _named(self, spec: Field[Any], section: Any, path: Path_) -> Any:
        """The section, if it is no component of a name that is in no table."""
        table = spec.metadata.get("table")
        if table is None or not isinstance(section, Component) or section.name in table:
            return section
        if not section.name:  # which is missing, and told
            return None
        wrong = f"no {table.kind} named {section.name!r}; {hint(section.name, table)}"
        return self._wrong((*path, "name"), wrong)

    def _wrong(self, path: Path_, message: str, section: type | None = None) -> Any:
        self.lines.append(str(self.document.error(path, message)))
        return None if section is None else _unchecked(section, {})


def _refused(section: Any, tree: Any) -> str:
    """Why a short form stands for nothing; nothing where it does, or where there is none."""
    try:
        if isinstance(tree, str) and hasattr(section, "short"):
            section.short(tree)
        if isinstance(tree, dict) and hasattr(section, "long"):
            section.long(tree)
    except UserError as error:
        return str(error)
    return ""


def _with_name(section: type, spec: Field[Any], tree: Any) -> Any:
    """Options without a name are those of the component that the field has by default."""
    nameless = isinstance(tree, dict) and "name" not in tree and issubclass(section, Component)
    if not nameless or spec.default_factory is MISSING:
        return tree
    return {"name": spec.default_factory().name, **tree}


def _unchecked(section: type, values: dict[str, Any]) -> Any:
    """A section that has errors, and so is to be looked at only; its own check would fail."""
    made: Any = object.__new__(section)
    for f in fields(section):
        vars(made)[f.name] = values[f.name] if f.name in values else _default(section, f)
    return made


def _default(section: type, spec: Field[Any]) -> Any:
    """Of a field; one that has none is empty."""
    if spec.default_factory is not MISSING:
        return spec.default_factory()
    if spec.default is not MISSING:
        return spec.default
    kind = get_origin(hints_of(section)[spec.name]) or hints_of(section)[spec.name]
    return kind() if kind in (str, dict, list) else None


def required(spec: Field[Any]) -> bool:
    return spec.default is MISSING and spec.default_factory is MISSING


@cache
def hints_of(section: type) -> dict[str, Any]:
    """The annotations of its fields, looked up once."""
    return get_type_hints(section)


def section_of(annotation: Any) -> type | None:
    """The dataclass inside `Section`, `Section | None` or `list[Section]`."""
    candidates = [annotation, *get_args(annotation)]
    return next((c for c in candidates if isinstance(c, type) and is_dataclass(c)), None)


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
