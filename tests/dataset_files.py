"""Tiny data sets on disk, and what one says of a bad one."""

import pytest

from harness.errors import UserError


def write(root, files):
    """Files by path, with their text; empty ones stand for videos and frames."""
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")


def empty(*names):
    return dict.fromkeys(names, "")


def complaint(build):
    """What building says: one line."""
    with pytest.raises(UserError) as error:
        build()
    assert "\n" not in str(error.value)
    return str(error.value)
