"""YAML documents whose every value remembers the file and line it came from.

The grammar is OmegaConf's: `1e-3` is a number, duplicate keys are refused, `${train.epochs}` refers
to another key. Resolvers that reach outside the document (`${oc.env:...}`) are refused: a file must
mean the same everywhere, and a secret must not leak into a record.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from math import inf
from pathlib import Path
from typing import Any

import yaml
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from harness.errors import UserError

Path_ = tuple[str, ...]  # the way to a value, as keys: ("model", "fusion", "name")


@dataclass
class Document:
    """A tree of plain values and the origin ("file:line" or "--set key") of each of its keys."""

    tree: dict[str, Any]
    name: str
    origins: dict[Path_, str] = field(default_factory=dict)

    def where(self, path: Path_) -> str:
        """The origin of a key, or of what was set below it, or of the nearest key around it."""
        if path not in self.origins:
            below = [origin for key, origin in self.origins.items() if key[: len(path)] == path]
            if path and below:
                return below[-1]
        for end in range(len(path), 0, -1):
            if path[:end] in self.origins:
                return self.origins[path[:end]]
        return self.name

    def at(self, path: Path_) -> Any:
        """The value at a path that has an origin; keys of lists are their positions."""
        value: Any = self.tree
        for key in path:
            value = value[int(key)] if isinstance(value, list) else value[key]
        return value

    def parts(self, path: Path_) -> dict[Path_, str]:
        """The origins of what a value is made of, by the way from it."""
        depth = len(path)
        inner = [key for key in self.origins if key[:depth] == path != key]
        return {key[depth:]: self.origins[key] for key in inner}

    def has(self, path: Path_) -> bool:
        """Whether there is such a key: options of a component that was replaced are gone."""
        try:
            self.at(path)
        except (KeyError, IndexError, TypeError, ValueError):
            return False
        return True

    def error(self, path: Path_, message: str) -> UserError:
        """The message with its origin and key; a key that a `--set` names is not told twice."""
        if not path:
            return UserError(message)
        where, key = self.where(path), ".".join(path)
        name = key.removesuffix(".name")
        named = where.removesuffix(".name").endswith((f" {name}", f".{name}"))
        told = where if where.startswith("--") and named else f"{where}: {key}"
        return UserError(f"{told}: {message}")

    def error_below(self, path: Path_, message: str) -> UserError:
        """The errors of a section, each at its key if it begins with one: "rank: must be ..."."""
        return UserError("\n".join(self._below(path, line) for line in message.splitlines()))

    def _below(self, path: Path_, message: str) -> str:
        key, colon, rest = message.partition(": ")
        at_key = colon and self.has((*path, key))
        return str(self.error((*path, key), rest) if at_key else self.error(path, message))


def read(path: Path) -> Document:
    """Read one file; `extends` is left for the caller."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(f"{path}: no such file{nearby(path)}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read as text: {error}") from None
    try:
        node = yaml.compose(text, Loader=yaml.CSafeLoader)
        tree = OmegaConf.to_container(OmegaConf.load(path), resolve=False)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f":{mark.line + 1}" if mark else ""
        raise UserError(f"{path}{line}: not valid YAML: {error.problem}") from None
    except (yaml.YAMLError, OmegaConfBaseException, OSError) as error:
        raise UserError(f"{path}: not valid YAML: {str(error).splitlines()[0]}") from None
    if not isinstance(tree, dict) or not all(isinstance(key, str) for key in tree):
        raise UserError(
            f"{path}: expected `key: value` lines at the top, got {type(tree).__name__}"
        )
    named = {str(key): value for key, value in tree.items()}
    return Document(named, str(path), {keys: f"{path}:{line}" for keys, line in _lines(node)})


def dump(tree: dict[str, Any]) -> str:
    """A tree of plain values as YAML, in its own order."""
    text: str = yaml.safe_dump(tree, sort_keys=False, allow_unicode=True, width=100)
    return text


def inline(value: Any) -> str:
    """A value as YAML in one line."""
    text: str = yaml.safe_dump(
        value, default_flow_style=True, sort_keys=False, allow_unicode=True, width=inf
    )
    return text.strip()


def parse_override(
    text: str, *, option: str = "--set", example: str = "train.epochs=5"
) -> Document:
    """`--set model.fusion.name=conv`: the same grammar and checks as in a file."""
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise UserError(f"{option} {text!r}: expected key=value, for example {example}")
    try:
        parsed = OmegaConf.to_container(OmegaConf.create(f"value: {value}"), resolve=False)
    except (yaml.YAMLError, OmegaConfBaseException):
        raise UserError(f"{option} {text!r}: {value!r} is not a YAML value") from None
    assert isinstance(parsed, dict)
    return assignment(key, parsed["value"], f"{option} {key}")


def assignment(
    key: str, value: Any, origin: str, parts: Mapping[Path_, str] | None = None
) -> Document:
    """A document that sets one dotted key; `parts` of the value may stand on lines of their own."""
    keys = tuple(key.split("."))
    origins = dict.fromkeys(ways(value, keys), origin)
    origins |= {(*keys, *path): place for path, place in (parts or {}).items()}
    for name in reversed(keys):
        value = {name: value}
    document = Document(value, origin)
    document.origins = {path: place for path, place in origins.items() if document.has(path)}
    return document


def resolve(document: Document) -> Document:
    """Replace `${...}` by the values referred to."""
    for path, value in leaves(document.tree, ()):
        if isinstance(value, str) and "${oc." in value:
            raise document.error(
                path, f"{value!r} reaches outside the file; write the value itself"
            )
    try:
        tree = OmegaConf.to_container(OmegaConf.create(document.tree), resolve=True)
    except OmegaConfBaseException as error:
        path = tuple(str(error.full_key or "").split("."))
        raise document.error(path, str(error).splitlines()[0]) from None
    assert isinstance(tree, dict)
    return Document(
        {str(key): value for key, value in tree.items()}, document.name, document.origins
    )


def _lines(node: yaml.Node | None, path: Path_ = ()) -> Iterator[tuple[Path_, int]]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            below = (*path, str(key.value))
            yield below, key.start_mark.line + 1
            yield from _lines(value, below)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield (*path, str(index)), value.start_mark.line + 1
            yield from _lines(value, (*path, str(index)))


def leaves(value: Any, path: Path_) -> Iterator[tuple[Path_, Any]]:
    """Every value that holds no others, and the way to it."""
    if isinstance(value, dict):
        for key, below in value.items():
            yield from leaves(below, (*path, str(key)))
    elif isinstance(value, list):
        for index, below in enumerate(value):
            yield from leaves(below, (*path, str(index)))
    else:
        yield path, value


def ways(value: Any, path: Path_) -> Iterator[Path_]:
    """The way to a value, and to everything in it."""
    yield path
    items = enumerate(value) if isinstance(value, list) else ()
    for key, below in value.items() if isinstance(value, dict) else items:
        yield from ways(below, (*path, str(key)))


def nearby(path: Path) -> str:
    """The end of an error about a file that is not there: the nearest name beside it, if any."""
    if not path.parent.is_dir():
        return f"; {path.parent}/ is not a folder"
    names = {p.stem: p for p in path.parent.iterdir() if p.suffix in (".yaml", ".yml")}
    close = get_close_matches(path.stem, names, n=1)
    return f"; did you mean '{names[close[0]]}'?" if close else ""
