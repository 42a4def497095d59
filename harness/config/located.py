"""Errors that know nothing of files, told with the file and line of what they are about."""

from collections.abc import Iterator
from contextlib import contextmanager

from harness.config.document import Document, Path_
from harness.errors import UserError


@contextmanager
def located(document: Document, *path: str) -> Iterator[None]:
    """Begin each error of a section with the file and line that it, or what it names, stands in.

    It names a key in full ("data.clip.frames: ..."), or a key of the section ("rank: ..."), which
    is the one of its first note if it has any: the part of the model that was being built.
    """
    try:
        yield
    except UserError as error:
        section = tuple(notes(error)[0].split(".")) if notes(error) else path
        lines = [_located(document, section, line) for line in str(error).splitlines()]
        raise UserError("\n".join(lines)) from None


def _located(document: Document, section: Path_, line: str) -> str:
    named, _, message = line.partition(": ")
    keys = tuple(named.split("."))
    if len(keys) > 1 and keys[0] in document.tree:
        return str(document.error(keys, message))
    return str(document.error_below(section, line))


def notes(error: Exception) -> list[str]:
    """Of an exception, the first one first: each is a section, such as "model.spatial.conv"."""
    return getattr(error, "__notes__", [])
