"""What each change is worth: every arm against a baseline, paired by seed.

Runs of one seed share what the seed decides (the order of the clips, often the initial weights), so
the difference is taken seed by seed and its interval is that of the mean difference. Intervals are
not corrected for the number of arms: of twenty arms that change nothing, one is expected to differ.
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace

from harness.errors import UserError
from harness.registry import hint
from harness.report.columns import Column, Quantity, expand
from harness.report.formats import MISSING, ColumnSpec, Table, Value
from harness.report.selection import account, name_rows, select
from harness.report.statistics import Estimate, estimate, paired
from harness.results.record import Record

NOTES = (
    "mean ± half-width of the 95 % t-interval (number of runs); Δ is the mean difference to the "
    "baseline over the seeds that both have (number of pairs), its interval not corrected for the "
    "number of arms",
)


def ablation(records: Sequence[Record], baseline_arm: str, *, metric: str = "test/top1") -> Table:
    """Each arm's mean and its paired difference to the baseline, by data set and split.

    Raises UserError for an unknown arm or metric, and for records of different protocols.
    """
    kept, _ = select(records)
    names = name_rows(kept, "arm")
    arms = list(dict.fromkeys(names))
    if baseline_arm not in arms:
        raise UserError(f"no record of the baseline {baseline_arm!r}; {hint(baseline_arm, arms)}")
    arms.remove(baseline_arm)
    quantities = expand(metric.removeprefix("cost/"), kept)
    rows = []
    for arm in (baseline_arm, *arms):
        row: dict[str, Value] = {"arm": arm}
        for quantity in quantities:
            own, base = (
                _by_run([r for r, n in zip(kept, names, strict=True) if n == name], quantity)
                for name in (arm, baseline_arm)
            )
            difference = Estimate() if arm == baseline_arm else paired(own, base)
            row |= _plain(quantity.key, estimate(list(own.values())))
            row |= _plain(f"{quantity.key}/difference", difference)
        rows.append(row)
    failed = tuple(account(r) for r in kept if r.status != "done")
    columns = [column for quantity in quantities for column in _columns(quantity)]
    title = f"Difference to {baseline_arm}"
    return Table(title, (ColumnSpec(key="arm", title="arm"), *columns), rows, NOTES + failed)


def _by_run(records: Sequence[Record], quantity: Quantity) -> dict[Hashable, float]:
    """The values of runs by what makes two of them a pair."""
    return {
        (r.dataset, r.split, r.stage, r.seed): value
        for r in records
        if r.status == "done" and (value := quantity.of(r)) is not None
    }


def _plain(key: str, estimate: Estimate) -> dict[str, Value]:
    values = (estimate.mean, estimate.half_width, estimate.n)
    return dict(zip((key, f"{key}/half_width", f"{key}/n"), values, strict=True))


def _columns(quantity: Quantity) -> list[ColumnSpec]:
    key = f"{quantity.key}/difference"
    difference = ColumnSpec(
        key=key,
        title=f"Δ {quantity.over}".rstrip(),
        show=_signed(quantity.kind),
        beside=(f"{key}/half_width", f"{key}/n"),
        better=quantity.kind.better,
    )
    return [replace(quantity.spec(), mark=None), difference]


def _signed(kind: Column) -> Callable[..., str]:
    def show(mean: float | None, half_width: float | None, n: int | None) -> str:
        if mean is None:
            return MISSING
        return f"{'-' if mean < 0 else '+'}{kind.with_interval(abs(mean), half_width, n)}"

    return show
