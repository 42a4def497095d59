"""Laying one document over another: `extends`, `--set`, a trial's values.

Mappings merge key by key and anything else replaces, with one exception: where a component changes
its name, the options of the old one go with it, since they were options of something else.
"""

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, get_type_hints

from harness.config.document import Document, Path_, parse_override, read, resolve
from harness.config.schema import Component, list_element, section_of
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
        return Document(normalise(section, document), document.name, document.origins)
    bases = document.tree.pop("extends", None) or []
    result = Document({}, document.name, {})
    for base in [bases] if isinstance(bases, str) else bases:
        if not isinstance(base, str):
            raise document.error(("extends",), f"expected file names, got {base!r}")
        below = path.parent / base
        if not below.is_file():
            raise document.error(("extends",), f"{base!r}: no such file beside {path}")
        under = _with_bases(section, below, (*trail, path.resolve()))
        result = lay_over(section, result, under)
    result.name = document.name
    document.origins = {p: o for p, o in document.origins.items() if p[0] != "extends"}
    return lay_over(section, result, document)


def lay_over(section: type, base: Document, over: Document) -> Document:
    """`over` on top of `base`; neither is changed."""
    tree = _merge(section, normalise(section, base), normalise(section, over))
    merged = Document(tree, base.name)
    origins = _origins(base, over)
    merged.origins = {path: origin for path, origin in origins.items() if merged.has(path)}
    return merged


def _origins(base: Document, over: Document) -> dict[Path_, str]:
    """What a value was replaced by as a whole no longer stands where its parts did."""
    whole = {path for path in over.origins if not isinstance(over.at(path), dict)}
    kept = {
        path: origin
        for path, origin in base.origins.items()
        if not any(path[:end] in whole for end in range(1, len(path)))
    }
    return kept | over.origins


def normalise(section: type, document: Document) -> dict[str, Any]:
    """The tree with short forms written out, so that trees merge: `conv` -> `{name: conv}`."""
    return _normal(section, document.tree, (), document)


def _normal(section: type, tree: Any, path: Path_, document: Document) -> Any:
    try:
        if isinstance(tree, str) and hasattr(section, "short"):
            return section.short(tree)
        if isinstance(tree, dict) and hasattr(section, "long"):
            tree = section.long(tree)
    except UserError as error:
        raise document.error(path, str(error)) from None
    if not isinstance(tree, dict):
        return tree
    hints, result = get_type_hints(section), {}
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


def _merge(section: type | None, base: Any, over: Any) -> Any:
    if not isinstance(base, dict) or not isinstance(over, dict):
        return over
    hints = get_type_hints(section) if section else {}
    renamed = over.get("name", base.get("name")) != base.get("name")
    if section and issubclass(section, Component) and renamed:
        kept = {f.name for f in fields(section)}
        base = {key: value for key, value in base.items() if key in kept}
    merged = dict(base)
    for key, value in over.items():
        inner = section_of(hints[key]) if key in hints else None
        merged[key] = _merge(inner, base[key], value) if key in base else value
    return merged
