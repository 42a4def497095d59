"""One table, many forms: Markdown for people, CSV and JSON for programs, a grid for the terminal.

Contract. A format is a function from a `Table` to text that ends in a newline; FORMATS names it.
CSV and JSON carry the plain values under the plain keys, numbers as numbers; Markdown and the
terminal carry what people read. In JSON a number that is not finite is null, as in a record.
"""

import csv
import io
import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from rich import box
from rich.cells import cell_len
from rich.table import Table as Grid
from rich.text import Text

Value = str | int | float | bool | None
Better = Literal["higher", "lower"]

MISSING = "\N{EN DASH}"
ARROWS = {"higher": " ↑", "lower": " ↓", None: ""}


def plain(value: Value) -> str:
    """A value as people read it where its column knows nothing better."""
    if value is None:
        return MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


@dataclass(frozen=True, kw_only=True)
class ColumnSpec:
    """A heading, the plain keys under it, how people read them, and which end is better.

    `show` is given the values of `key` and of the keys `beside` it, and writes them as one cell.
    `mark` is the key that says whether the cell is the "best" of its column or "tied" with it.
    `hidden`: for CSV and JSON alone.
    """

    key: str
    title: str
    show: Callable[..., str] = plain
    beside: tuple[str, ...] = ()
    better: Better | None = None
    mark: str | None = None
    hidden: bool = False

    @property
    def keys(self) -> tuple[str, ...]:
        return (self.key, *self.beside, *([self.mark] if self.mark else []))

    @property
    def heading(self) -> str:
        return self.title + ARROWS[self.better]

    def text(self, row: Mapping[str, Value]) -> str:
        return self.show(*(row.get(key) for key in (self.key, *self.beside)))

    def marked(self, row: Mapping[str, Value]) -> Value:
        return row.get(self.mark) if self.mark else None


@dataclass(frozen=True)
class Table:
    """Rows of plain values under named columns.

    For people alone: `footer`, rows that sum up, and `notes`, lines below them.
    """

    title: str
    columns: tuple[ColumnSpec, ...]
    rows: list[dict[str, Value]]
    notes: tuple[str, ...] = ()
    footer: Sequence[dict[str, Value]] = ()

    @property
    def shown(self) -> tuple[ColumnSpec, ...]:
        """The columns that people see."""
        return tuple(column for column in self.columns if not column.hidden)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to say but notes."""
        return not self.rows and bool(self.notes)

    @property
    def keys(self) -> list[str]:
        return [key for column in self.columns for key in column.keys]

    def grid(self) -> tuple[list[str], list[list[Value]]]:
        """The keys of the columns that people see, and the plain values under them."""
        keys = [column.key for column in self.shown]
        return keys, [[row.get(key) for key in keys] for row in self.rows]

    def numeric(self, column: ColumnSpec) -> bool:
        """Whether the column holds numbers only, and is aligned to the right."""
        values = [row.get(column.key) for row in self.rows]
        return all(v is None or (isinstance(v, int | float) and v is not True) for v in values)


def markdown(table: Table) -> str:
    """A GitHub table with padded columns: the best in bold, what is tied with it after a ≈.

    Of one without rows, the notes, which say what there is not.
    """
    if table.is_empty:
        return "".join(f"{_escaped(note)}\n" for note in table.notes)
    header = [_escaped(column.heading) for column in table.shown]
    body = [
        [_markdown_cell(column, row) for column in table.shown]
        for row in (*table.rows, *table.footer)
    ]
    widths = [max(3, *map(cell_len, cells)) for cells in zip(header, *body, strict=True)]
    right = [table.numeric(column) for column in table.shown]
    rule = ["-" * (w - 1) + ":" if r else "-" * w for w, r in zip(widths, right, strict=True)]
    lines = ["| " + " | ".join(_padded(cells, widths, right)) + " |" for cells in (header, *body)]
    lines.insert(1, "| " + " | ".join(rule) + " |")
    title = [f"### {_escaped(table.title)}", ""] if table.title else []
    notes = ["", *(f"- {_escaped(note)}" for note in table.notes)] if table.notes else []
    return "\n".join([*title, *lines, *notes]) + "\n"


def comma_separated(table: Table) -> str:
    """RFC 4180 with the plain keys as the header; a missing value is an empty field."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(table.keys)
    writer.writerows([row.get(key) for key in table.keys] for row in table.rows)
    return text.getvalue()


def json_rows(table: Table) -> str:
    """A list with one object a row."""
    rows = [{key: _finite(row.get(key)) for key in table.keys} for row in table.rows]
    return json.dumps(rows, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


FORMATS: dict[str, Callable[[Table], str]] = {
    "md": markdown,
    "csv": comma_separated,
    "json": json_rows,
}


def terminal(table: Table) -> Grid | Text:
    """The same table for a rich console; names are text, never markup or control codes."""
    if table.is_empty:
        return Text(_visible("\n".join(table.notes)))
    grid = Grid(box=box.SIMPLE_HEAD, title_justify="left", caption_justify="left")
    grid.title = Text(_visible(table.title), style="bold") if table.title else None
    for column in table.shown:
        justify: Literal["left", "right"] = "right" if table.numeric(column) else "left"
        grid.add_column(Text(_visible(column.heading)), justify=justify)
    for row in table.rows:
        grid.add_row(*(_terminal_cell(column, row) for column in table.shown))
    if table.footer:
        grid.add_section()
    for row in table.footer:
        grid.add_row(*(_terminal_cell(column, row) for column in table.shown))
    if table.notes:
        grid.caption = Text(_visible("\n".join(table.notes)), style="dim")
    return grid


def _markdown_cell(column: ColumnSpec, row: Mapping[str, Value]) -> str:
    text = _escaped(column.text(row))
    return {"best": f"**{text}**", "tied": f"{text} ≈"}.get(str(column.marked(row)), text)


def _terminal_cell(column: ColumnSpec, row: Mapping[str, Value]) -> Text:
    text, mark = _visible(column.text(row)), column.marked(row)
    return Text(f"{text} ≈" if mark == "tied" else text, style="bold" if mark == "best" else "")


def _padded(cells: list[str], widths: list[int], right: list[bool]) -> list[str]:
    """Cells filled to their column's width in terminal cells: a wide character takes two."""
    gaps = [" " * (w - cell_len(c)) for c, w in zip(cells, widths, strict=True)]
    return [g + c if r else c + g for c, g, r in zip(cells, gaps, right, strict=True)]


# What Markdown would take for more than itself. A bracket does so only as a link or a definition,
# "<" before what may begin a tag, "&" in an entity, an underscore at the edge of a word.
SIGNS = re.compile(r"[\\`*|~]|\](?=[(\[:])|<(?=[\w/!?])|&(?=#?\w+;)|(?<!\w)_|_(?!\w)")


def _escaped(text: str) -> str:
    """Text that Markdown shows as it is, with no escape beyond need: in a pipe they are read."""
    return SIGNS.sub(r"\\\g<0>", _visible(text)).replace("\n", "<br>")


def _visible(text: str) -> str:
    """Control codes made visible: a name cannot steer a terminal or break a row."""
    text = text.replace("\r\n", "\n")
    return re.sub(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", "\N{REPLACEMENT CHARACTER}", text)


def _finite(value: Value) -> Value:
    return None if isinstance(value, float) and not math.isfinite(value) else value
