"""Values of keys: when two are the same, and how they are written in names and commands."""

import json
from collections.abc import Iterable
from typing import Any


def same(one: Any, other: Any) -> bool:
    """Whether two YAML values are equal; unlike Python's, true is not 1.

    >>> same(1, 1.0), same(1, True), same({"name": "conv"}, {"name": "conv"})
    (True, False, True)
    """
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)


def arm_name(changes: Iterable[tuple[str, Any]]) -> str:
    """A short name for changed keys.

    >>> arm_name([("model.fusion", {"name": "conv", "kernel_size": 3}), ("train.epochs", 5)])
    'fusion=conv(kernel_size=3) train.epochs=5'
    """
    return " ".join(f"{_tail(key)}={_compact(value)}" for key, value in changes)


def _tail(key: str) -> str:
    for prefix in ("model.", "data."):
        key = key.removeprefix(prefix)
    return key.removesuffix(".name")


def _compact(value: Any) -> str:
    if isinstance(value, dict) and "name" in value:
        rest = ", ".join(f"{k}={_compact(v)}" for k, v in value.items() if k != "name")
        return f"{value['name']}({rest})" if rest else str(value["name"])
    return value if isinstance(value, str) else as_yaml(value)


def as_yaml(value: Any) -> str:
    """A value in YAML's flow style, which JSON is; plain words go without quotes."""
    words = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}
    if isinstance(value, str) and value.isidentifier() and value.lower() not in words:
        return value
    return json.dumps(value)
