"""Laying one document over another: `extends`, `--set`, a trial's values.

Mappings merge key by key and anything else replaces, with one exception: where a component changes
its name, the options of the old one go with it, since they were options of something else.
"""

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from harness.config.document import Document, Path_, nearby, parse_override, read, resolve
from harness.config.schema import Component, hints_of, list_element, section_of
from harness.errors import UserError


def load(section: type, path: Path, overrides: Sequence[str] = ()) -> Document:
    """Read a file, what it extends, and `key=value` overrides, left to right."""
    document = _with_bases(section, path, ())
    for text in overrides:
        document = lay_over(section, document, parse_override(text))
    return resolve(document)


def _with_bases(section: type, path: Path, trail: tuple[Path, ...]) -> Document:
    if path.resolve() in trail:
        names = " -> ".join(p.name for p in (*trail, path))
        raise UserError(f"{path}: extends itself: {names}")
    document = read(path)
    if "extends" not in {f.name for f in fields(section)}:
        return normalise(section, document)
    bases = document.tree.pop("extends", None) or []
    result = Document({}, document.name, {})
    for base in [bases] if isinstance(bases, str) else bases:
        if not isinstance(base, str):
            raise document.error(("extends",), f"expected file names, got {base!r}")
        below = path.parent / base
        if not below.is_file():
            raise document.error(
                ("extends",), f"{base!r}: no such file beside {path}{nearby(below)}"
            )
        under = _with_bases(section, below, (*trail, path.resolve()))
        result = lay_over(section, result, under)
    result.name = document.name
    document.origins = {p: o for p, o in document.origins.items() if p[0] != "extends"}
    return lay_over(section, result, document)


def lay_over(section: type, base: Document, over: Document) -> Document:
    """`over` on top of `base`; neither is changed."""
    under, upper = normalise(section, base), normalise(section, over)
    merged = Document(_merge(section, under.tree, upper.tree), base.name)
    whole = {path for path in over.origins if not isinstance(over.at(path), dict)}
    origins = _uncovered(under.origins, whole) | upper.origins
    merged.origins = {path: origin for path, origin in origins.items() if merged.has(path)}
    return merged


def _uncovered(origins: dict[Path_, str], whole: set[Path_]) -> dict[Path_, str]:
    """What a value was replaced by as a whole no longer stands where its parts did."""
    return {
        path: origin
        for path, origin in origins.items()
        if not any(path[:end] in whole for end in range(1, len(path)))
    }


def normalise(section: type, document: Document) -> Document:
    """With short forms written out, so that trees merge: `conv` -> `{name: conv}`.

    What a long form has elsewhere than the short one keeps its origin.
    """
    normal = Document({}, document.name, dict(document.origins))
    normal.tree = _normal(section, document.tree, (), normal)
    return normal


def _normal(section: type, tree: Any, path: Path_, document: Document) -> Any:
    try:
        if isinstance(tree, str) and hasattr(section, "short"):
            return section.short(tree)
        if isinstance(tree, dict) and hasattr(section, "long"):
            tree = _long(section, tree, path, document)
    except UserError:  # it stays as it is, for `build` to tell with all else that is wrong
        return tree
    if not isinstance(tree, dict):
        return tree
    hints, result = hints_of(section), dict[str, Any]()
    for key, value in tree.items():
        inner = section_of(hints.get(key))
        if inner is None:
            result[key] = value
        elif list_element(hints[key]) is not None and isinstance(value, list):
            items = enumerate(value)
            result[key] = [_normal(inner, v, (*path, key, str(i)), document) for i, v in items]
        else:
            result[key] = _normal(inner, value, (*path, key), document)
    return result


def _long(section: Any, tree: dict[str, Any], path: Path_, document: Document) -> dict[str, Any]:
    """The long form; where all of the short one is a part of it, its origins are that part's."""
    long: dict[str, Any] = section.long(tree)
    for part in [key for key, value in long.items() if value is tree]:
        below = [key for key in document.origins if key[: len(path)] == path != key]
        for key in below:
            document.origins[(*path, part, *key[len(path) :])] = document.origins.pop(key)
    return long


def _merge(section: type | None, base: Any, over: Any) -> Any:
    if not isinstance(base, dict) or not isinstance(over, dict):
        return over
    hints = hints_of(section) if section else {}
    renamed = over.get("name", base.get("name")) != base.get("name")
    if section and issubclass(section, Component) and renamed:
        kept = {f.name for f in fields(section)}
        base = {key: value for key, value in base.items() if key in kept}
    merged = dict(base)
    for key, value in over.items():
        inner = section_of(hints[key]) if key in hints else None
        merged[key] = _merge(inner, base[key], value) if key in base else value
    return merged
