"""What a board can show: the costs of a run, and its metrics by data set and split.

A cost is one line in COLUMNS; a metric is known by the last part of its name ("test/top1" is a
top1). What a record holds and no line describes is shown as a plain number, best at neither end.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import isfinite

from harness.errors import UserError
from harness.registry import hint
from harness.report.formats import MISSING, Better, ColumnSpec, Value
from harness.results.record import Record

CHANCE = "chance"  # a metric of the data set: what guessing scores


def percent(value: float) -> str:
    return f"{100 * value:.1f}"


def count(value: float) -> str:
    """A count with its SI prefix, three digits: 11.7 M.

    >>> count(999_950.0), count(1.814e9), count(12.0)
    ('1.00 M', '1.81 G', '12')
    """
    prefixes = ["", " k", " M", " G", " T", " P"]
    value = float(f"{value:.3g}")  # before choosing the prefix: 999950 is 1.00 M, not 1000 k
    while abs(value) >= 1000 and len(prefixes) > 1:
        value, prefixes = value / 1000, prefixes[1:]
    digits = 0 if prefixes[0] == "" else 2 - (abs(value) >= 10) - (abs(value) >= 100)
    return f"{value:.{digits}f}{prefixes[0]}"


def duration(seconds: float) -> str:
    """Seconds in the unit that suits them.

    >>> duration(4.25), duration(90.0), duration(7200.0)
    ('4.2 s', '1.5 min', '2.0 h')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 3600 else f"{seconds / 3600:.1f} h"


def decimals(digits: int) -> Callable[[float], str]:
    return lambda value: f"{value:.{digits}f}"


@dataclass(frozen=True, kw_only=True)
class Column:
    """A kind of number: its heading with the unit, how it is written, which end is better.

    `share`: between 0 and 1, shown in percent. `guessable`: chance is a reference for it.
    `timed`: a speed, which a reference or fallback kernel does not claim.
    """

    title: str
    show: Callable[[float], str]
    better: Better | None = None
    share: bool = False
    guessable: bool = False
    timed: bool = False

    def with_interval(self, mean: float | None, half_width: float | None, n: int | None) -> str:
        """'87.3 ± 1.2 (3)': mean, half-width, number of runs."""
        if mean is None:
            return MISSING
        interval = "" if half_width is None else f" ± {self.show(half_width)}"
        return f"{self.show(mean)}{interval} ({n})"

    def alone(self, mean: float | None, *_: Value) -> str:
        return MISSING if mean is None else self.show(mean)


def _accuracy(title: str, *, guessable: bool = True) -> Column:
    return Column(title=title, show=percent, better="higher", share=True, guessable=guessable)


METRICS = {
    "top1": _accuracy("top-1 (%)"),
    "top5": _accuracy("top-5 (%)", guessable=False),
    "mean_class": _accuracy("mean class accuracy (%)"),
    "ece": Column(title="calibration error (%)", show=percent, better="lower", share=True),
    "loss": Column(title="loss (nats)", show=decimals(3), better="lower"),
}

COLUMNS = {
    "params": Column(title="parameters", show=count, better="lower"),
    "macs": Column(title="MACs", show=count, better="lower"),
    "flops": Column(title="FLOPs", show=count, better="lower"),
    "multiplications": Column(title="multiplications", show=count, better="lower"),
    "seconds/fit": Column(title="training", show=duration, better="lower", timed=True),
    "latency_ms_p50": Column(
        title="latency, median (ms)", show=decimals(1), better="lower", timed=True
    ),
    "latency_ms_p90": Column(
        title="latency, p90 (ms)", show=decimals(1), better="lower", timed=True
    ),
    "samples_per_second": Column(title="samples/s", show=decimals(1), better="higher", timed=True),
    "memory_mb_peak": Column(title="peak memory (MB)", show=decimals(0), better="lower"),
    "memory_mb_extra": Column(title="memory of a call (MB)", show=decimals(1), better="lower"),
    "energy_j": Column(title="energy (J)", show=decimals(2), better="lower", timed=True),
}


@dataclass(frozen=True, kw_only=True)
class Quantity:
    """One column of numbers: a metric on one data set and split, or a cost over all of them."""

    name: str
    kind: Column
    dataset: str | None = None
    split: str | None = None

    @property
    def over(self) -> str:
        """'ucf101/01', or nothing for a cost."""
        return f"{self.dataset}/{self.split}" if self.dataset else ""

    @property
    def key(self) -> str:
        return f"{self.name}/{self.over}" if self.dataset else self.name

    def of(self, record: Record) -> float | None:
        """The record's value; None where it has none, or one that is not a number."""
        if self.dataset is None:
            value = record.cost.get(self.name)
        elif (self.dataset, self.split) == (record.dataset, record.split):
            value = record.metrics.get(self.name)
        else:
            return None
        return float(value) if value is not None and isfinite(value) else None

    def spec(self) -> ColumnSpec:
        """Its column in a table; of a cost people are shown the mean alone."""
        return ColumnSpec(
            key=self.key,
            title=f"{self.over} {self.kind.title}".lstrip(),
            show=self.kind.with_interval if self.dataset else self.kind.alone,
            beside=(f"{self.key}/half_width", f"{self.key}/n"),
            better=self.kind.better,
            mark=f"{self.key}/mark",
        )


def expand(name: str, records: Sequence[Record]) -> list[Quantity]:
    """The columns of a name: a metric gives one per data set and split, by first appearance.

    Raises UserError for a name that no finished run has, as long as one finished.
    """
    done = [r for r in records if r.status == "done"]
    metrics = {metric for r in done for metric in r.metrics} - {CHANCE}
    costs = {cost for r in done for cost in r.cost}
    if name in costs or (name in COLUMNS and name not in metrics):
        return [Quantity(name=name, kind=COLUMNS.get(name) or _unknown(name))]
    if done and name not in metrics:
        allowed = sorted(metrics | costs)
        raise UserError(f"no record has the column {name!r}; {hint(name, allowed)}")
    return [
        Quantity(name=name, kind=_metric(name), dataset=dataset, split=split)
        for dataset, split in dict.fromkeys((r.dataset, r.split) for r in records)
    ]


def _metric(name: str) -> Column:
    """The kind of a metric by its last part; 'val/top1' is headed 'val top-1 (%)'."""
    *where, last = name.split("/")
    known = METRICS.get(last)
    if known is None:
        return _unknown(name)
    title = " ".join([*(part for part in where if part != "test"), known.title])
    return Column(**{**vars(known), "title": title})


def _unknown(name: str) -> Column:
    return Column(title=name, show=lambda value: f"{value:.4g}")


def chances(records: Iterable[Record]) -> dict[str, float]:
    """What guessing scores on each data set and split, where a record says so."""
    return {
        f"{r.dataset}/{r.split}": value
        for r in records
        if (value := r.metrics.get(CHANCE)) is not None
    }
