"""A board as one HTML file that asks for nothing else: no network, no fonts, no libraries.

Every text is escaped by the template engine, and the page's own policy allows no script but the one
written into it (by its hash), so a hostile name stays a name. The same board gives the same bytes.
"""

import base64
import hashlib
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from harness.report.board import LEFT_OUT, Board, left_out
from harness.report.columns import Quantity, duration, percent
from harness.report.figures import SCATTER, WIDTH, dot_plots, main_metric, scatters
from harness.report.formats import MISSING
from harness.report.rows import UNCLAIMED, Cell
from harness.report.statistics import wilson

HERE = Path(__file__).parent


@dataclass(frozen=True, kw_only=True)
class Shown:
    """One cell as the page writes it; `fill` is the length of its bar, of 1."""

    value: float | None
    number: str
    interval: str
    runs: str
    mark: str
    fill: float | None
    hint: str


def page(board: Board) -> str:
    """The whole file as text."""
    environment = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    script = (HERE / "page.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return environment.get_template("page.html.j2").render(
        board=board,
        left_out=f"{left_out(board.stale)}: {LEFT_OUT}" if board.stale else "",
        style=(HERE / "page.css").read_text(encoding="utf-8"),
        script=script,
        script_hash=f"sha256-{digest}",
        summary=_summary(board),
        cells=[[_shown(row.cells[q.key], q) for q in board.columns] for row in board.rows],
        dot_plots=dot_plots(board),
        scatters=scatters(board),
        tests=[text for q in main_metric(board) if (text := _test_videos(board, q))],
        unclaimed=[row.name for row in board.rows if set(row.labels) & set(UNCLAIMED)],
        width=WIDTH,
        scatter_height=SCATTER,
        missing=MISSING,
    )


def _shown(cell: Cell, quantity: Quantity) -> Shown:
    kind = quantity.kind
    if cell.mean is None:
        return Shown(
            value=None, number=MISSING, interval="", runs="", mark="", fill=None, hint="no run"
        )
    metric = bool(quantity.dataset)
    return Shown(
        value=cell.mean,
        number=kind.show(cell.mean),
        interval=kind.show(cell.half_width) if metric and cell.half_width is not None else "",
        runs=str(cell.n) if metric else "",
        mark=cell.mark or "",
        fill=round(cell.mean, 3) if kind.share else None,
        hint=", ".join(f"seed {seed}: {kind.show(value)}" for seed, value in cell.values),
    )


def _summary(board: Board) -> str:
    """'9 arms, 2 data sets (...), 3 seeds, 54 runs, 1 not finished, 3.2 h of training'."""
    records = [*board.done, *board.failures]
    places = dict.fromkeys(f"{r.dataset}/{r.split}" for r in records)
    failed = len(board.failures)
    return " · ".join(
        [
            _counted(len(board.rows), "arm" if board.file.rows == "arm" else "row"),
            f"{_counted(len(places), 'data set')} ({', '.join(places)})",
            _counted(len({r.seed for r in records}), "seed"),
            _counted(len(records), "run"),
            *([f"{failed} not finished"] if failed else []),
            f"{duration(sum(r.seconds for r in records))} of training",
        ]
    )


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _test_videos(board: Board, quantity: Quantity) -> str:
    """How far the best accuracy could move by the choice of the test videos alone."""
    records = [r for r in board.done if f"{r.dataset}/{r.split}" == quantity.over]
    videos = max((r.clips.get("test", 0) for r in records), default=0)
    accuracies = [
        value for row in board.rows if (value := row.cells[quantity.key].mean) is not None
    ]
    if not (videos and accuracies and quantity.kind.guessable):
        return ""
    low, high = wilson(round(max(accuracies) * videos), videos)
    quarantined = max(r.clips.get("quarantined", 0) for r in records)
    lost = f", {quarantined} unreadable and left out" if quarantined else ""
    return (
        f"{quantity.over}: {videos} test videos{lost}. Another draw of as many would put the best "
        f"mean, {percent(max(accuracies))} %, between {percent(low)} and {percent(high)} %."
    )
