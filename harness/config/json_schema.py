"""JSON Schema (draft 2020-12) of a section, so that editors complete and check its files."""

from dataclasses import Field, fields
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from harness.config.schema import Component, required, section_of

SIMPLE: dict[Any, dict[str, Any]] = {
    int: {"type": "integer"},
    float: {"type": "number"},
    str: {"type": "string"},
    bool: {"type": "boolean"},
    NoneType: {"type": "null"},
    dict: {"type": "object"},
    Any: {},
}
BOUNDS = {"ge": "minimum", "gt": "exclusiveMinimum", "le": "maximum", "lt": "exclusiveMaximum"}


def json_schema(section: type) -> dict[str, Any]:
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": section.__name__.lower(),
        **_section(section, None),
    }


def _section(section: type, table: Any) -> dict[str, Any]:
    hints = get_type_hints(section)
    properties = {f.name: _field(hints[f.name], f) for f in fields(section) if f.name != "options"}
    if table is not None:
        properties["name"] = {"enum": list(table)}
    component = issubclass(section, Component)
    description = (section.__doc__ or "").split("\n\n")[0].replace("\n", " ")
    whole = {
        "type": "object",
        "description": description,
        "properties": properties,
        "additionalProperties": component or hasattr(section, "long"),
    }
    if "extends" not in properties:  # what is required may stand in the file that is extended
        whole["required"] = [f.name for f in fields(section) if required(f)]
    if component and table is not None:
        return {"anyOf": [{"enum": list(table)}, whole]}
    return {"anyOf": [{"type": "string"}, whole]} if hasattr(section, "short") else whole


def _field(annotation: Any, spec: Field[Any]) -> dict[str, Any]:
    schema = _type(annotation, spec.metadata.get("table"))
    bounds = {BOUNDS[key]: value for key, value in spec.metadata.items() if key in BOUNDS}
    if spec.metadata.get("distinct"):
        schema["uniqueItems"] = True
    target = schema.get("items", schema)
    target.update(bounds)
    return schema


def _type(annotation: Any, table: Any) -> dict[str, Any]:
    origin, args = get_origin(annotation), get_args(annotation)
    if origin in (Union, UnionType):
        return {"anyOf": [_type(arg, table) for arg in args]}
    if origin is Literal:
        return {"enum": list(args)}
    if origin in (list, tuple):
        return {"type": "array", "items": _type(args[0], table)}
    if section_of(annotation) is not None:
        return _section(annotation, table)
    return dict(SIMPLE[origin or annotation])
