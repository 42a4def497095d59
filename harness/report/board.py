"""The leaderboard: records to ranked rows of cells, each with its mean, interval, n and runs.

A cell is a mean over the runs of one row on one data set and split. The best of a column is marked,
and so is every cell that cannot be told from it; a rank comes with the range of ranks that the
intervals allow. What the board mixes (code versions, data, machines) is listed with it.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from harness.errors import UserError
from harness.report.columns import Quantity, chances, expand
from harness.report.formats import MISSING, Better, ColumnSpec, Table, Value
from harness.report.ranking import Mark, marks, ranks
from harness.report.selection import account, check_field, name_rows, read, select
from harness.report.statistics import Estimate, average, estimate
from harness.results.record import Record

UNCLAIMED = ("reference", "fallback")  # kernels that are right but not meant to be fast


NOTE = (
    "mean ± half-width of the 95 % t-interval over runs (number of runs); the best of a column "
    "stands out, ≈ cannot be told from it; # rank (and the ranks that the intervals allow)"
)


@dataclass(kw_only=True)
class BoardFile:
    """One file in leaderboards/: which records are compared, as which rows, by what.

    `where` keeps the records whose field (plan, arm, dataset, split, seed, stage, status, or a path
    such as `config.model.fusion.name`) has the value, or one of a list; `rows` is such a field too.
    `columns` are metrics and costs by name; `rank_by` is one of either.
    """

    name: str
    title: str = ""
    where: dict[str, Any] = field(default_factory=dict)
    rows: str = "arm"
    columns: list[str] = field(
        default_factory=lambda: ["test/top1", "params", "macs", "seconds/fit"]
    )
    rank_by: str = "test/top1"
    sort: Literal["best_first", "name", "none"] = "best_first"


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


@dataclass(frozen=True, kw_only=True)
class Board:
    """All that a table or a page shows. `stale` counts records that later ones replaced.

    `provenance` counts the runs behind the board by each fact: {"commit": {"1f3a": 27}}.
    """

    file: BoardFile
    columns: tuple[Quantity, ...]
    ranked_by: tuple[Quantity, ...]
    rows: tuple[Row, ...]
    stale: int
    provenance: dict[str, dict[str, int]]
    chance: dict[str, float]

    @property
    def title(self) -> str:
        return self.file.title or self.file.name

    @property
    def done(self) -> list[Record]:
        return [record for row in self.rows for record in row.done]

    @property
    def failures(self) -> list[Record]:
        return [record for row in self.rows for record in row.failed]

    @property
    def mixed(self) -> list[str]:
        """The facts that would best be one and are several."""
        return [fact for fact, values in self.provenance.items() if len(values) > 1]

    def table(self) -> Table:
        """The board as a table of plain values."""
        columns = (
            ColumnSpec(key="rank", title="#", show=rank_text, beside=("rank/least", "rank/most")),
            ColumnSpec(key=self.file.rows, title=self.file.rows, show=label, beside=("labels",)),
            *(quantity.spec() for quantity in self.columns),
            ColumnSpec(key="failed", title="failed"),
        )
        notes = [NOTE, *(account(r) for r in self.failures)]
        notes += [f"mixed: {fact}: {', '.join(self.provenance[fact])}" for fact in self.mixed]
        return Table(self.title, columns, [self._plain(row) for row in self.rows], tuple(notes))

    def _plain(self, row: Row) -> dict[str, Value]:
        least, most = row.ranks or (None, None)
        plain: dict[str, Value] = {"rank": row.rank, "rank/least": least, "rank/most": most}
        plain |= {self.file.rows: row.name, "labels": ", ".join(row.labels) or None}
        for quantity in self.columns:
            cell = row.cells[quantity.key]
            values = (cell.mean, cell.half_width, cell.n, cell.mark)
            plain |= dict(zip(quantity.spec().keys, values, strict=True))
        return plain | {"failed": len(row.failed)}


def board(records: Sequence[Record], file: BoardFile) -> Board:
    """Rank records as the board file says.

    Raises UserError for a field, column or filter that no record answers, and for records of
    different protocols on one data set and split.
    """
    kept, stale = select(records, file.where)
    check_field(file.rows, kept)
    done = [r for r in kept if r.status == "done"]
    columns, ranked_by = expand(file.columns, kept), expand([file.rank_by], kept)
    better = ranked_by[0].kind.better
    if better is None:
        raise UserError(f"rank_by: neither end of {file.rank_by!r} is known to be better")
    scored = [q for q in ranked_by if any(q.of(r) is not None for r in done)]
    names = name_rows(kept, file.rows)
    rows = [
        _row(name, [r for r, own in zip(kept, names, strict=True) if own == name], columns, scored)
        for name in dict.fromkeys(names)
    ]
    rows = _sorted(_marked(_ranked(rows, better), columns), better, file.sort)
    return Board(
        file=file,
        columns=tuple(columns),
        ranked_by=tuple(scored),
        rows=tuple(rows),
        stale=stale,
        provenance=_provenance(done),
        chance=chances(done),
    )


def _row(
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


def _ranked(rows: list[Row], better: Better) -> list[Row]:
    """Rows with their rank among those that have every data set."""
    found = iter(ranks([row.score for row in rows if row.complete], better))
    result = []
    for row in rows:
        rank, possible = next(found) if row.complete else (None, None)
        result.append(replace(row, rank=rank, ranks=possible))
    return result


def _marked(rows: list[Row], columns: Sequence[Quantity]) -> list[Row]:
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


def _sorted(rows: list[Row], better: Better, how: str) -> list[Row]:
    sign = -1 if better == "higher" else 1

    def best_first(row: Row) -> tuple[bool, bool, float, str]:
        mean = row.score.mean
        return not row.complete, mean is None, sign * (mean or 0.0), row.name

    if how == "none":
        return rows
    return sorted(rows, key=best_first if how == "best_first" else lambda row: (row.name,))


def _provenance(records: Sequence[Record]) -> dict[str, dict[str, int]]:
    """How many runs stand behind each value of each fact."""
    facts: dict[str, Counter[str]] = {}
    for what in ("protocol", "data_hash"):
        for r in records:
            fact = f"{what.removesuffix('_hash')} of {r.dataset}/{r.split}"
            facts.setdefault(fact, Counter())[getattr(r, what)] += 1
    for r in records:
        for fact, value in r.env.items():
            facts.setdefault(fact, Counter())[value] += 1
    return {fact: dict(values) for fact, values in facts.items()}


def rank_text(rank: int | None, least: int | None, most: int | None) -> str:
    """'2 (1-4)': the rank, and those that the intervals allow."""
    if rank is None:
        return MISSING
    return str(rank) if least is None or least == most else f"{rank} ({least}-{most})"


def label(name: str, labels: str | None) -> str:
    return f"{name} [{labels}]" if labels else name
