"""Printing a table in the form that was asked for."""

import sys
from pathlib import Path

from harness.errors import UserError
from harness.registry import hint
from harness.report.formats import FORMATS, Table, terminal


def check_format(format: str | None) -> None:
    if format is not None and format not in FORMATS:
        raise UserError(f"--format {format!r}: {hint(format, list(FORMATS))}")


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
