"""The leaderboard: records to ranked rows of cells, each with its mean, interval, n and runs.

The best of a column is marked, and so is every cell that cannot be told from it; a rank comes with
the range of ranks that the intervals allow. What the board mixes (code versions, data, machines) is
listed with it.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from harness.config.located import located
from harness.config.merge import load
from harness.config.schema import build
from harness.errors import Errors, UserError
from harness.report.columns import Quantity, chances, expand
from harness.report.formats import MISSING, ColumnSpec, Table, Value
from harness.report.rows import Row, in_order, make_row, marked, ranked
from harness.report.selection import account, check_field, name_rows, rankable, select
from harness.results.record import Record

NOTE = (
    "mean ± half-width of the 95 % t-interval over runs (number of runs); the best of a column "
    "stands out, ≈ cannot be told from it; # rank (and the ranks that the intervals allow)"
)

LEFT_OUT = "trained again since, or with other settings than the latest finished run of their arm"
OF_THE_NETWORK = {"uncounted", "memory_format"}  # facts of an arm, whoever measures


@dataclass(kw_only=True)
class BoardFile:
    """One file in leaderboards/: which records are compared, as which rows, by what.

    `where` keeps the records whose field (plan, arm, dataset, split, seed, stage, status, or a path
    such as `config.model.fusion.name`) has the value, or one of a list; `rows` is such a field too.
    `columns` are metrics and costs by name; `rank_by` is one of either.
    """

    name: str = field(metadata={"folder": True})
    title: str = ""
    where: dict[str, Any] = field(default_factory=dict)
    rows: str = "arm"
    columns: list[str] = field(
        default_factory=lambda: ["test/top1", "params", "macs", "seconds/fit"]
    )
    rank_by: str = "test/top1"
    sort: Literal["best_first", "name", "none"] = "best_first"


@dataclass(frozen=True, kw_only=True)
class Board:
    """All that a table or a page shows. `stale` counts the records that were left out.

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
        several = [fact for fact, values in self.provenance.items() if len(values) > 1]
        return [fact for fact in several if fact not in OF_THE_NETWORK]

    def table(self) -> Table:
        """The board as a table of plain values."""
        columns = (
            ColumnSpec(key="rank", title="#", show=rank_text, beside=("rank/least", "rank/most")),
            ColumnSpec(key=self.file.rows, title=self.file.rows, show=label, beside=("labels",)),
            *(quantity.spec() for quantity in self.columns),
            ColumnSpec(key="failed", title="failed"),
        )
        notes = [NOTE, *(account(r) for r in self.failures)]
        if self.stale:
            notes.append(f"{left_out(self.stale)}: {LEFT_OUT}")
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

    Raises UserError with a line for each field, column and filter that no record answers, or for
    records of different protocols on one data set and split; lines begin with the key.
    """
    errors, columns, ranked_by = Errors(), list[Quantity](), list[Quantity]()
    kept, stale = rankable(records), 0
    with errors.collected():
        kept, stale = select(records, file.where, file.rows)
    with errors.collected("rows"):
        check_field(file.rows, kept or records)
    for index, name in enumerate(file.columns):
        with errors.collected(f"columns.{index}"):
            columns += expand(name, kept)
    with errors.collected("rank_by"):
        ranked_by = expand(file.rank_by, kept)
    better = ranked_by[0].kind.better if ranked_by else None
    if ranked_by and better is None:
        told = f"neither end of {file.rank_by!r} is known to be better"
        errors.add(UserError(f"rank_by: {told}"))
    errors.tell()
    assert better is not None
    done = [r for r in kept if r.status == "done"]
    scored = [q for q in ranked_by if any(q.of(r) is not None for r in done)]
    names = name_rows(kept, file.rows)
    rows = [
        make_row(
            name, [r for r, own in zip(kept, names, strict=True) if own == name], columns, scored
        )
        for name in dict.fromkeys(names)
    ]
    rows = in_order(marked(ranked(rows, better), columns), better, file.sort)
    return Board(
        file=file,
        columns=tuple(columns),
        ranked_by=tuple(scored),
        rows=tuple(rows),
        stale=stale,
        provenance=_provenance(done),
        chance=chances(done),
    )


def read_board(path: Path, records: Sequence[Record], overrides: Sequence[str] = ()) -> Board:
    """The board of a file in leaderboards/; what is wrong with it, with the lines."""
    document = load(BoardFile, path, overrides)
    file = build(BoardFile, document)
    with located(document):
        return board(records, file)


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
    return {fact: dict(values.most_common()) for fact, values in facts.items()}


def left_out(count: int) -> str:
    return f"{count} {'record is' if count == 1 else 'records are'} left out"


def rank_text(rank: int | None, least: int | None, most: int | None) -> str:
    """'2 (1-4)': the rank, and those that the intervals allow."""
    if rank is None:
        return MISSING
    return str(rank) if least is None or least == most else f"{rank} ({least}-{most})"


def label(name: str, labels: str | None) -> str:
    return f"{name} [{labels}]" if labels else name
