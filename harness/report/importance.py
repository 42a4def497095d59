"""Which dimensions of a search mattered: a table, and one SVG file with a panel for each search."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from harness.errors import UserError
from harness.report.axes import Axis
from harness.report.formats import MISSING, ColumnSpec, Table, Value

NAMES, BARS, EDGE = 250, 380, 80  # widths in SVG units: names, the axis, room for the figures
PITCH, HEAD = 24, 46  # from one parameter to the next; above the first of a panel
LETTERS = 38

Row = dict[str, Value]


def _share(value: Value) -> str:
    return MISSING if value is None else f"{value:.2f}"


def _interval(value: Value, low: Value, high: Value) -> str:
    return f"{_share(value)} [{_share(low)}, {_share(high)}]"


COLUMNS = (
    ColumnSpec(key="arm", title="arm"),
    ColumnSpec(key="dataset", title="data set"),
    ColumnSpec(key="objective", title="objective"),
    ColumnSpec(key="parameter", title="parameter"),
    ColumnSpec(key="importance", title="importance [95 %]", show=_interval, beside=("low", "high")),
    ColumnSpec(key="trials", title="trials"),
)


def importance_table(rows: Sequence[Row], notes: Sequence[str]) -> Table:
    return Table("", COLUMNS, list(rows), notes=tuple(notes))


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One parameter: its name, where its bar and its interval end, what a pointer reads."""

    y: float
    name: str
    end: float
    interval: tuple[float, float]
    label: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One search and objective."""

    title: str
    y: float
    bottom: float
    bars: tuple[Bar, ...]


def draw(rows: Sequence[Row]) -> str:
    """The file's text; UserError if there is nothing to draw."""
    if not rows:
        raise UserError("--plot: no search has enough trials, there is nothing to draw")
    axis = Axis(low=0.0, high=1.0, start=NAMES, end=NAMES + BARS)
    panels = _panels(rows, axis)
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    return environment.get_template("importance.svg.j2").render(
        panels=panels,
        ticks=[(axis(tick / 4), f"{tick / 4:g}") for tick in range(5)],
        start=axis.start,
        width=NAMES + BARS + EDGE,
        height=panels[-1].bottom + 50,
        pitch=PITCH,
    )


def _panels(rows: Sequence[Row], axis: Axis) -> list[Panel]:
    groups: dict[tuple[Value, ...], list[Row]] = {}
    for row in rows:
        key = (row["arm"], row["dataset"], row["objective"], row["trials"])
        groups.setdefault(key, []).append(row)
    panels, top = list[Panel](), 0.0
    for (arm, dataset, objective, trials), members in groups.items():
        y = top + HEAD
        bars = tuple(_bar(row, y + PITCH * index, axis) for index, row in enumerate(members))
        bottom = y + PITCH * len(bars)
        title = f"{arm} on {dataset}: {objective}, {trials} trials"
        panels.append(Panel(title=title, y=y, bottom=bottom, bars=bars))
        top = bottom + 24
    return panels


def _bar(row: Row, y: float, axis: Axis) -> Bar:
    value, low, high = (float(row[key] or 0.0) for key in ("importance", "low", "high"))
    name = str(row["parameter"])
    return Bar(
        y=y,
        name=name if len(name) <= LETTERS else f"…{name[1 - LETTERS :]}",
        end=axis(value),
        interval=(axis(low), axis(high)),
        label=f"{value:.2f}",
        text=f"{name}: {_interval(value, low, high)}",
    )
