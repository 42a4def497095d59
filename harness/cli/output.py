"""Printing a table in the form that was asked for."""

import os
import sys
from pathlib import Path

from harness.errors import UserError
from harness.registry import hint
from harness.report.formats import FORMATS, Table, terminal


def check_format(format: str | None) -> None:
    if format is not None and format not in FORMATS:
        raise UserError(f"--format {format!r}: {hint(format, list(FORMATS))}")


def check_output(*paths: Path | None) -> None:
    """Before what takes long: UserError where no such file can be written."""
    for path in paths:
        if path is None:
            continue
        folder = next((parent for parent in path.absolute().parents if parent.exists()), path)
        if path.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK):
            raise UserError(f"{path}: cannot be written there")


def emit(table: Table, format: str | None, output: Path | None) -> None:
    """To a file, or to stdout; a terminal gets a grid unless a format is named."""
    check_format(format)
    if output is not None:
        from harness.files import write_atomic

        named = format or output.suffix.lstrip(".").lower()
        write_atomic(output, FORMATS[named if named in FORMATS else "md"](table).encode())
        print(f"wrote {output}", file=sys.stderr)
    elif format is None and sys.stdout.isatty():
        from rich.console import Console

        Console().print(terminal(table))
    else:
        print(FORMATS[format or "md"](table), end="")
