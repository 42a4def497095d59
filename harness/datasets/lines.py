"""Annotation files line by line, each line behind where it stands, for errors to tell."""

import csv
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path

from harness.errors import UserError

Row = tuple[str, dict[str, str]]  # where it stands, and its cells by column


def text_of(path: Path) -> str:
    """The whole file, without a byte order mark; UserError if it is no UTF-8 or cannot be read."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise UserError(
            f"{path}:{line}: a byte that is not UTF-8; save the file as UTF-8"
        ) from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None


def lines_of(path: Path) -> Iterator[tuple[str, str]]:
    """Each line that is not blank, stripped, behind where it stands."""
    for number, line in enumerate(text_of(path).splitlines(), start=1):
        if line.strip():
            yield f"{path}:{number}", line.strip()


def rows_of(path: Path, columns: Mapping[str, Sequence[str]]) -> Iterator[Row]:
    """Each row of a CSV file with a header, as its stripped cells by column.

    `columns` are the wanted ones, each with the names that it goes by; others are ignored. Raises
    UserError for a column that is absent, a row too short to reach the last one, and open quotes.
    """
    reader = csv.reader(io.StringIO(text_of(path), newline=""), strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        places = {column: _place(path, header, names) for column, names in columns.items()}
        least = max(places.values()) + 1
        for row in reader:
            where = f"{path}:{reader.line_num}"
            if len(row) >= least:
                yield where, {column: row[place].strip() for column, place in places.items()}
            elif row:
                raise UserError(f"{where}: {','.join(row)!r}; expected {','.join(header)}")
    except csv.Error as error:
        raise UserError(f"{path}:{reader.line_num}: {error}") from None


def _place(path: Path, header: Sequence[str], names: Sequence[str]) -> int:
    present = [name for name in names if name in header]
    if not present:
        raise UserError(f"{path}:1: no column {' or '.join(names)}; got {','.join(header)}")
    return header.index(present[0])


def number(where: str, text: str) -> float:
    """A finite number, in whatever form it is written; UserError where it is none."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise UserError(f"{where}: {text!r} is no number")
    return value


def label_of(where: str, name: str, labels: Mapping[str, int]) -> int:
    """The label of a class; UserError with the nearest name where there is no such class."""
    if name not in labels:
        raise no_class(where, name, labels)
    return labels[name]


def no_class(where: str, name: str, labels: Mapping[str, int]) -> UserError:
    """The error; unlike `hint` it does not name them all, since there may be 700."""
    near = get_close_matches(name, labels, n=1)
    advice = f"did you mean {near[0]!r}?" if near else f"it is like none of the {len(labels)}"
    return UserError(f"{where}: no class named {name!r}; {advice}")
