"""Files that are either whole or absent: written beside their place, synced, then renamed."""

import errno
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from harness.errors import UserError

UNWRITABLE = (
    errno.EROFS,
    errno.EACCES,
    errno.EPERM,
    errno.ENOTDIR,  # a file stands where a folder is asked for, or the other way round
    errno.EISDIR,
    errno.EEXIST,
)


class DiskError(UserError):
    """Nothing can be written; what was at work goes on once the user has made room."""


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn a full or read-only disk into the user's error that it is."""
    try:
        with full_disk(path):
            yield
    except OSError as error:
        if error.errno in UNWRITABLE:
            raise DiskError(f"{path}: cannot be written ({error.strerror})") from error
        raise


@contextmanager
def full_disk(path: Path) -> Iterator[None]:
    """The same for a full disk alone, around what also reads."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskError(f"{path}: the disk is full; free some space and run again") from error
        raise


def write_atomic(path: Path, content: bytes, *, replace: bool = True) -> bool:
    """Write a whole file or nothing; False if it was there and `replace` is false."""
    with disk_errors(path):
        if not replace and path.exists():  # nothing to be written, so the disk may be read-only
            return False
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        try:
            with beside.open("wb") as file:
                file.write(content)
                sync(file)
            if replace:
                beside.replace(path)
                return True
            try:
                os.link(beside, path)  # fails where a rename would overwrite: the first writer wins
            except FileExistsError:
                return False
            return True
        finally:
            beside.unlink(missing_ok=True)


def sync(file: IO[bytes]) -> None:
    """Wait until what was written is on the disk."""
    file.flush()
    os.fsync(file.fileno())


def write_json(path: Path, content: Any, *, replace: bool = True) -> bool:
    text = json.dumps(content, indent=1, sort_keys=True, allow_nan=False, ensure_ascii=False)
    # Names that are not UTF-8 are escaped, as JSON does it.
    return write_atomic(path, (text + "\n").encode(errors="backslashreplace"), replace=replace)


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest(content: Any) -> str:
    """The sha256 of a value's canonical JSON.

    >>> digest({"b": 1, "a": [2.0]}) == digest({"a": [2.0], "b": 1})
    True
    """
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def append_line(path: Path, content: dict[str, Any]) -> None:
    """One JSON line more, with the time; a kill leaves at most one torn."""
    append_json(path, {**content, "time": datetime.now(UTC).isoformat(timespec="milliseconds")})


def append_json(path: Path, content: Any, *, synced: bool = False) -> None:
    """One JSON line more, written in one call at the end of the file: writers need no lock.

    A line that a full disk or a kill cut short is closed first, so that it spoils no other. A
    `synced` line is on the disk when this returns.
    """
    with disk_errors(path), path.open("a+b", buffering=0) as file:
        line = json.dumps(content).encode() + b"\n"
        if _torn(file):
            line = b"\n" + line
        written = file.write(line)
        if written != len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if synced:
            sync(file)


def _torn(file: IO[bytes]) -> bool:
    """Whether the last line of a file has no end."""
    size = file.seek(0, os.SEEK_END)
    if size == 0:
        return False
    file.seek(size - 1)
    return file.read(1) != b"\n"


def read_json(path: Path) -> Any:
    """A file of JSON that was written whole; None if there is none."""
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        return None


def read_json_lines(path: Path) -> list[Any]:
    """Every whole line of a file of JSON lines, in order; none if there is no such file.

    Torn lines are passed by: what they would have said has not happened.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return []
    found = []
    for line in lines:
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return found
