"""Whether a finished cache still is what was written.

The index holds the sha256 of every file and of itself. Hashing a large cache takes minutes, so a
file is hashed again only when its size, time or inode is not what it was when it was last found
whole: that is remembered in `<home>.checked`, beside the cache.
"""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from harness.errors import UserError
from harness.files import digest, sha256_of, write_json

FORMAT = 3  # raised when the layout or the meaning of the bytes changes


def seal(index: Mapping[str, Any], files: Sequence[Path]) -> dict[str, Any]:
    """The index with what tells whether it and the files beside it are whole.

    Its "hash" is that of the data themselves, not only of what they were made from: decoders differ
    by a level or two, from machine to machine.
    """
    written = {
        path.name: {"bytes": path.stat().st_size, "sha256": sha256_of(path)} for path in files
    }
    data = [index["key"], sorted(index["quarantined"]), written]
    whole = dict(index) | {"files": written, "hash": digest(data)}
    return whole | {"seal": digest(whole)}


def read_index(place: Path, key: str) -> dict[str, Any]:
    """The index of a complete cache; UserError if it is damaged or of another cache or version."""
    try:
        index = json.loads((place / "index.json").read_text())
        sealed = index.pop("seal", None)
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise _damaged(place, f"{type(error).__name__}: {error}") from error
    if index.get("format") != FORMAT:
        raise _damaged(place, f"its format is {index.get('format')}, not {FORMAT}")
    if index.get("key") != key:
        raise _damaged(place, "index.json belongs to another cache")
    if digest(index) != sealed:
        raise _damaged(place, "index.json is not what was written")
    return index


def check(place: Path, index: Mapping[str, Any], *, thorough: bool = False) -> None:
    """UserError unless every file is as it was written; `thorough` hashes all of them."""
    known = {} if thorough else _remembered(place)
    found = {}
    for name, written in index["files"].items():
        try:
            stamp = _stamp(place / name)
            if stamp[0] != written["bytes"]:
                raise _damaged(place, f"{name} holds {stamp[0]} bytes, not {written['bytes']}")
            found[name] = [*stamp, written["sha256"]]
            if known.get(name) != found[name] and sha256_of(place / name) != written["sha256"]:
                raise _damaged(place, f"{name} is not what was written")
        except OSError as error:
            raise _damaged(place, f"{name}: {error.strerror}") from error
    if found != known:
        _remember(place, found)


def _stamp(path: Path) -> list[int]:
    stat = path.stat()
    return [stat.st_size, stat.st_mtime_ns, stat.st_ino]


def _memory(place: Path) -> Path:
    return place.with_name(f"{place.name}.checked")


def _remembered(place: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(_memory(place).read_text()))
    except (OSError, ValueError, TypeError):  # it only saves time
        return {}


def _remember(place: Path, files: Mapping[str, Any]) -> None:
    with suppress(OSError, UserError):  # it only saves time
        write_json(_memory(place), files)


def _damaged(place: Path, what: str) -> UserError:
    return UserError(f"{place}: damaged cache ({what}); delete this folder and run again")
