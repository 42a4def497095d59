"""Errors that know nothing of files, told with the file and line of what they are about."""

from collections.abc import Iterator
from contextlib import contextmanager

from harness.config.document import Document
from harness.errors import UserError


@contextmanager
def located(document: Document, *path: str) -> Iterator[None]:
    """Begin the error of a section with the file and line that it, or what it names, stands in.

    It names a key in full ("data.clip.frames: ..."), or a key of the section ("rank: ..."), which
    is the one of its first note if it has any: the part of the model that was being built.
    """
    try:
        yield
    except UserError as error:
        named, _, message = str(error).partition(": ")
        keys = tuple(named.split("."))
        if len(keys) > 1 and keys[0] in document.tree:
            raise document.error(keys, message) from None
        section = tuple(notes(error)[0].split(".")) if notes(error) else path
        raise document.error_below(section, str(error)) from None


def notes(error: Exception) -> list[str]:
    """Of an exception, the first one first: each is a section, such as "model.spatial.conv"."""
    return getattr(error, "__notes__", [])
