"""The rows of a board: cells with mean, interval and runs; who leads, who is tied, what rank.

A cell is a mean over the runs of one row on one data set and split; the cells that the board is
ranked by are averaged to a score.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from harness.report.columns import Quantity
from harness.report.formats import Better
from harness.report.ranking import Mark, marks, ranks
from harness.report.selection import read
from harness.report.statistics import Estimate, average, estimate
from harness.results.record import Record

UNCLAIMED = ("reference", "fallback")  # kernels that are right but not meant to be fast

Order = Literal["best_first", "name", "none"]


@dataclass(frozen=True, kw_only=True)
class Cell(Estimate):
    """An estimate, the (seed, value) pairs behind it, and how it stands in its column."""

    values: tuple[tuple[int, float], ...] = ()
    mark: Mark = None


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row. `score` is the mean of its cells that the board is ranked by.

    `rank` and `ranks`, the least and the greatest that the intervals allow, are None where a data
    set of the ranking is missing (the row is not `complete`).
    """

    name: str
    labels: tuple[str, ...]
    cells: dict[str, Cell]
    score: Estimate
    complete: bool
    done: tuple[Record, ...]
    failed: tuple[Record, ...]
    rank: int | None = None
    ranks: tuple[int, int] | None = None


def make_row(
    name: str, records: list[Record], columns: Sequence[Quantity], scored: Sequence[Quantity]
) -> Row:
    done = tuple(r for r in records if r.status == "done")
    parts = [cell for q in scored if (cell := _cell(done, q)).n]
    return Row(
        name=name,
        labels=_labels(done),
        cells={quantity.key: _cell(done, quantity) for quantity in columns},
        score=average(parts),
        complete=bool(scored) and len(parts) == len(scored),
        done=done,
        failed=tuple(r for r in records if r.status != "done"),
    )


def _cell(records: Sequence[Record], quantity: Quantity) -> Cell:
    """A cost over several data sets has no interval: its spread is not chance."""
    found = [(r, value) for r in records if (value := quantity.of(r)) is not None]
    summary = estimate([value for _, value in found])
    alike = len({(r.dataset, r.split) for r, _ in found}) == 1
    return Cell(
        mean=summary.mean,
        half_width=summary.half_width if alike else None,
        n=summary.n,
        values=tuple(sorted((r.seed, value) for r, value in found)),
    )


def _labels(records: Sequence[Record]) -> tuple[str, ...]:
    """What a reader must know of a row: a kernel without a claim to speed, another function."""
    kernels = " ".join(text for r in records for text in r.kernels.values())
    paths = [f"config.model.{stream}.conv.operator" for stream in ("spatial", "temporal")]
    operators = {str(read(r, path)) for r in records for path in paths} - {"None", "standard"}
    return (*(k for k in UNCLAIMED if k in kernels), *(f"operator {o}" for o in sorted(operators)))


def ranked(rows: list[Row], better: Better) -> list[Row]:
    """Rows with their rank among those that have every data set."""
    found = iter(ranks([row.score for row in rows if row.complete], better))
    result = []
    for row in rows:
        rank, possible = next(found) if row.complete else (None, None)
        result.append(replace(row, rank=rank, ranks=possible))
    return result


def marked(rows: list[Row], columns: Sequence[Quantity]) -> list[Row]:
    """Rows whose cells say how they stand; a kernel that claims no speed stands nowhere in it."""
    for quantity in columns:
        kind, key = quantity.kind, quantity.key
        standing = [not (kind.timed and set(row.labels) & set(UNCLAIMED)) for row in rows]
        cells = [row.cells[key] if s else Cell() for row, s in zip(rows, standing, strict=True)]
        rows = [
            replace(row, cells=row.cells | {key: replace(row.cells[key], mark=mark)})
            for row, mark in zip(rows, marks(cells, kind.better), strict=True)
        ]
    return rows


def in_order(rows: list[Row], better: Better, order: Order) -> list[Row]:
    sign = -1 if better == "higher" else 1

    def best_first(row: Row) -> tuple[bool, bool, float, str]:
        mean = row.score.mean
        return not row.complete, mean is None, sign * (mean or 0.0), row.name

    if order == "none":
        return rows
    return sorted(rows, key=best_first if order == "best_first" else lambda row: (row.name,))
