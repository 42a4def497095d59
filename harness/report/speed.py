"""Tables of measured speed: what `harness bench` found, a row for each variant.

JSON and CSV carry every value of a row; people see the columns that tell most, and below them, for
each network, direction and variant, the geometric mean of the ratios and the worst of them. Layers
listed apart are in no mean, and a mean with a ratio missing is no mean.
"""

from collections.abc import Callable, Iterator, Sequence
from math import exp, log

from harness.report.columns import count, decimals
from harness.report.formats import MISSING, ColumnSpec, Table, Value

Row = dict[str, Value]
Group = tuple[Value, ...]


def _number(show: Callable[[float], str]) -> Callable[..., str]:
    return lambda value, *_: MISSING if value is None else show(value)


def _spread(ms: float | None, low: float | None, high: float | None, *_: Value) -> str:
    """Median and quartiles."""
    if ms is None or low is None or high is None:
        return MISSING if ms is None else f"{ms:.2f}"
    return f"{ms:.2f} ({low:.2f}\N{EN DASH}{high:.2f})"


def _times(value: float | None, *_: Value) -> str:
    return MISSING if value is None else f"{value:.2f}x"


RATIO = ColumnSpec(key="ratio", title="ratio", show=_times, better="higher")
OURS = ColumnSpec(key="ms", title="ms", show=_spread, beside=("ms_p25", "ms_p75"))
THEIRS = ColumnSpec(
    key="baseline_ms",
    title="baseline ms",
    show=_spread,
    beside=("baseline_ms_p25", "baseline_ms_p75"),
)
ERROR = ColumnSpec(key="max_error", title="max error", show=_number(lambda v: f"{v:.1e}"))
GFLOPS = ColumnSpec(key="gflops", title="GF/s", show=_number(decimals(0)))
REASON = ColumnSpec(key="reason", title="why no ratio")

CONVS = (
    ColumnSpec(key="layer", title="layer"),
    ColumnSpec(key="direction", title="direction"),
    ColumnSpec(key="variant", title="variant"),
    ColumnSpec(key="tile", title="tile"),
    ColumnSpec(key="kernel", title="kernel"),
    OURS,
    ColumnSpec(key="baseline", title="fastest of PyTorch"),
    THEIRS,
    RATIO,
    ColumnSpec(key="limit", title="limit", show=_times),
    GFLOPS,
    ERROR,
)
MEMORY = (
    ColumnSpec(key="extra_mb", title="extra MB", show=_number(decimals(1)), better="lower"),
    ColumnSpec(key="baseline_extra_mb", title="baseline extra MB", show=_number(decimals(1))),
)
MODELS = (
    ColumnSpec(key="network", title="network"),
    ColumnSpec(key="direction", title="direction"),
    ColumnSpec(key="variant", title="variant"),
    ColumnSpec(key="kernel", title="kernel"),
    ColumnSpec(key="share", title="share of MACs", show=_number(lambda v: f"{100 * v:.0f} %")),
    ColumnSpec(key="macs", title="MACs/sample", show=_number(count)),
    OURS,
    ColumnSpec(key="baseline", title="fastest of PyTorch"),
    THEIRS,
    RATIO,
    ColumnSpec(key="samples_per_second", title="samples/s", show=_number(decimals(1))),
)


PEAKS = (
    ColumnSpec(key="memory_mb_extra", title="call MB", show=_number(decimals(0)), better="lower"),
    ColumnSpec(key="baseline_memory_mb_extra", title="eager call MB", show=_number(decimals(0))),
)


def convs_table(rows: list[Row]) -> Table:
    """Of `harness bench convs`."""
    columns = CONVS + (MEMORY if any("extra_mb" in row for row in rows) else ())
    return _table(columns, rows, [*summary(rows), *best_of_batch_1(rows)])


def models_table(rows: list[Row]) -> Table:
    """Of `harness bench models`."""
    measured = any("memory_mb_peak" in row for row in rows)
    return _table(MODELS + (PEAKS if measured else ()), rows, [])


def _table(columns: Sequence[ColumnSpec], rows: list[Row], footer: list[Row]) -> Table:
    """Every value of a row under its key; people see `columns` alone, a reason if there is one."""
    shown = [*columns, *([REASON] if any(row.get("reason") for row in rows) else [])]
    known = {key for column in shown for key in column.keys}
    rest = [key for row in rows for key in row if key not in known]
    hidden = tuple(ColumnSpec(key=key, title=key, hidden=True) for key in dict.fromkeys(rest))
    return Table("", (*shown, *hidden), rows, notes=tuple(notes(rows)), footer=footer)


def summary(rows: list[Row]) -> list[Row]:
    """Two rows a network, direction and variant: the geometric mean, and the worst layer."""
    groups: dict[Group, list[Row]] = {}
    for row in rows:
        if not row.get("apart"):
            key = row["network"], row["direction"], row["algorithm"], row["variant"]
            groups.setdefault(key, []).append(row)
    return [line for group in groups.values() if len(group) > 1 for line in _mean_and_worst(group)]


def best_of_batch_1(rows: list[Row]) -> list[Row]:
    """The same for the best variant of each layer at batch 1, where there is a choice."""
    best: dict[Group, Row] = {}
    for row in rows:
        key = row["network"], row["direction"], row["layer"]
        if row["batch"] == 1:
            other = best.get(key)
            if other is None or _or_none(row) > _or_none(other):
                best[key] = row
    if len({row["variant"] for row in rows}) < 2:
        return []
    return summary([row | {"variant": "best variant", "algorithm": None} for row in best.values()])


def _mean_and_worst(group: list[Row]) -> Iterator[Row]:
    first = group[0]
    about: Row = {"direction": first["direction"], "variant": first["variant"]}
    whole = all(row["ratio"] is not None for row in group)
    ratios = [_ratio(row) for row in group if row["ratio"] is not None]
    mean = exp(sum(map(log, ratios)) / len(ratios)) if whole else None
    why = None if whole else f"{len(group) - len(ratios)} of {len(group)} have no ratio"
    yield {"layer": f"{first['network']}: geometric mean", **about, "ratio": mean, "reason": why}
    if whole:
        worst = min(group, key=_ratio)
        keys = ("ratio", "baseline", "tile", "limit")
        yield {
            "layer": f"{first['network']}: worst, {worst['layer']}",
            **about,
            **{key: worst.get(key) for key in keys},
        }


def _or_none(row: Row) -> float:
    """The ratio; 0 where there is none."""
    return 0.0 if row["ratio"] is None else _ratio(row)


def _ratio(row: Row) -> float:
    value = row["ratio"]
    assert isinstance(value, int | float)
    return value


def notes(rows: list[Row]) -> Iterator[str]:
    """What was measured, on what, in a few lines."""
    if not rows:
        return
    row = rows[0]
    core = "" if row["core"] is None else f", pinned to core {row['core']}"
    yield (
        f"{row['cpu']}, {row['threads']} thread(s){core}, {row['clock']} time, batch "
        f"{row['batch']}, {row['dtype']}, ours {row['memory_format']}; torch {row['torch']}, "
        f"commit {row['commit']}"
    )
    yield "ratio: fastest PyTorch path / ours, medians (quartiles) of calls in turns"
    loads = [row["load"] for row in rows if isinstance(row["load"], int | float)]
    if loads:
        yield f"others used {max(loads):.2f} cores at most during a race"
    if "peak_gflops" in row:
        yield (
            f"GF/s count multiply-adds that meet the input, two operations each; a large matrix "
            f"product reaches {row['peak_gflops']:.0f}. limit: by how much Winograd needs fewer"
        )
    apart = [str(row["layer"]) for row in rows if row.get("apart")]
    if apart:
        yield f"listed apart, in no mean: {', '.join(dict.fromkeys(apart))}"
    for text in dict.fromkeys(part for row in rows for part in _parts(row.get("unavailable"))):
        yield f"not available: {text}"


def _parts(text: Value) -> list[str]:
    return [part for part in str(text or "").split("; ") if part]
