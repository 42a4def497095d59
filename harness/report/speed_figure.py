"""Measured layers as one SVG file: how much faster ours is, and a roofline.

Left: the ratio of each layer and variant as a bar, and the line at 1, where ours is as fast as the
fastest of PyTorch. Right: useful work a second of the same calls (Williams, Waterman and Patterson,
"Roofline", CACM 2009, https://doi.org/10.1145/1498765.1498785; of its two roofs the arithmetic one,
since these layers do hundreds of operations a byte): the line is what a large matrix product
reaches, the tick of a bar is that times the factor by which Winograd multiplies less.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from harness.errors import UserError
from harness.report.axes import Axis, linear
from harness.report.columns import Column, decimals
from harness.report.formats import Value
from harness.report.speed import notes

HERE = Path(__file__).parent
NAMES, PANEL, GAP = 190, 330, 56  # widths in SVG units: names, each panel, between panels
BAR, TOP = 14, 64  # height of a bar, and where the first layer begins
ROOM = 10  # between layers
PLAIN = Column(title="", show=decimals(1))
PALETTE = 4  # colours of variants in the template

Row = dict[str, Value]


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One variant: the ends of its two bars; `tick` is its limit; the baseline has no ratio."""

    y: float
    colour: int
    ratio: float | None
    rate: float | None
    tick: float | None
    label: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Block:
    """One layer and direction: its name, the bars under it, and the baseline's rate."""

    name: str
    y: float
    bottom: float
    bars: tuple[Bar, ...]
    baseline: float | None


def draw(rows: Sequence[Row]) -> str:
    """The file's text; UserError if no row has a time."""
    timed = [row for row in rows if row["ms"] is not None]
    if not timed:
        raise UserError("--plot: no layer was timed, there is nothing to draw")
    ratios = [_number(row, "ratio") or 0.0 for row in rows]
    peak = _number(rows[0], "peak_gflops") or 0.0
    rates = [_number(row, key) or 0.0 for row in rows for key in ("gflops", "baseline_gflops")]
    roofs = [peak * (_number(row, "limit") or 1.0) for row in rows]
    first, second = NAMES, NAMES + PANEL + GAP
    x = _from_zero([*ratios, 1.0], first)
    z = _from_zero([*rates, *roofs, peak], second)
    variants = list(dict.fromkeys(str(row["variant"]) for row in rows))
    blocks = _blocks(rows, variants, x, z, peak)
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    bottom = blocks[-1].bottom
    return environment.get_template("speed.svg.j2").render(
        blocks=blocks,
        x=x,
        z=z,
        one=x(1.0),
        peak=z(peak),
        peak_text=f"matrix product: {peak:.0f}",
        variants=[(name, index % PALETTE) for index, name in enumerate(variants)],
        notes=list(notes(list(rows)))[:2],
        bottom=bottom,
        top=TOP,
        bar=BAR,
        width=second + PANEL + 40,
        height=bottom + 78,
    )


def _from_zero(values: Sequence[float], start: float) -> Axis:
    """An axis of a panel; a little room is left for the number at the end of the longest bar."""
    axis = linear([0.0, 1.06 * max(values)], start, start + PANEL, PLAIN)
    moved = Axis(low=0.0, high=axis.high, start=start, end=start + PANEL)
    marks = [float(text) for _, text in axis.ticks if float(text) >= 0]
    ticks = tuple((moved(mark), f"{mark:g}") for mark in marks)
    return Axis(low=0.0, high=axis.high, start=start, end=start + PANEL, ticks=ticks)


def _blocks(
    rows: Sequence[Row], variants: Sequence[str], x: Axis, z: Axis, peak: float
) -> list[Block]:
    groups: dict[tuple[Value, Value], list[Row]] = {}
    for row in rows:
        groups.setdefault((row["layer"], row["direction"]), []).append(row)
    several = len({row["direction"] for row in rows}) > 1
    blocks, y = [], float(TOP)
    for (layer, direction), members in groups.items():
        bottom = y + BAR * len(members)
        baseline = _number(members[0], "baseline_gflops")
        blocks.append(
            Block(
                name=f"{layer} {direction}" if several else str(layer),
                y=y,
                bottom=bottom,
                bars=tuple(
                    _bar(row, y + BAR * i, variants, x, z, peak) for i, row in enumerate(members)
                ),
                baseline=None if baseline is None else z(baseline),
            )
        )
        y = bottom + ROOM
    return blocks


def _bar(row: Row, y: float, variants: Sequence[str], x: Axis, z: Axis, peak: float) -> Bar:
    ratio, rate, limit = (_number(row, key) for key in ("ratio", "gflops", "limit"))
    return Bar(
        y=y,
        colour=variants.index(str(row["variant"])) % PALETTE,
        ratio=None if ratio is None else x(ratio),
        rate=None if rate is None else z(rate),
        tick=None if limit is None else z(peak * limit),
        label=f"{ratio:.2f}" if ratio is not None else str(row["reason"] or ""),
        text=f"{row['layer']}, {row['direction']}, {row['variant']} ({row['kernel']}): "
        + ("no ratio" if ratio is None else f"{ratio:.2f} times the speed of {row['baseline']}"),
    )


def _number(row: Row, key: str) -> float | None:
    value = row.get(key)
    return float(value) if isinstance(value, int | float) else None
