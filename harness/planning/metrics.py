"""The names of what plans go by: metrics and costs. A search never looks at the test split."""

from collections.abc import Sequence

from harness.errors import UserError
from harness.registry import hint

SCORES = ("top1", "top5", "mean_class")
STREAMS = ("spatial", "temporal")
COUNTED = ("params", "macs", "flops", "multiplications", "seconds/fit")
MEASURED = (  # seconds of every network, so that a search does without where it may
    "latency_ms_p50", "latency_ms_p90", "samples_per_second", "energy_j", "memory_mb_peak",
    "memory_mb_extra",
)  # fmt: skip
COSTS = COUNTED + MEASURED
SEARCHED = ("val",)
COMPARED = ("test", "val")


def metrics_of(subset: str) -> list[str]:
    """Of the videos of a subset, and of one stream alone: `val/top1`, `val/temporal/top1`."""
    heads = [subset, *(f"{subset}/{stream}" for stream in STREAMS)]
    return [f"{head}/{score}" for head in heads for score in SCORES]


def check_metric(name: str, subsets: Sequence[str] = SEARCHED) -> None:
    """UserError unless it is a metric of one of these subsets, or a cost: `cost/params`."""
    metrics = [metric for subset in subsets for metric in metrics_of(subset)]
    costs = [f"cost/{cost}" for cost in COSTS]
    if name in metrics or name in costs:
        return
    if name.startswith("cost/"):
        raise UserError(f"{name!r} is not a cost; {hint(name, costs)}")
    if "test" in subsets:
        raise UserError(f"{name!r} is not a metric; {hint(name, metrics + costs)}")
    shut = "the test split stays shut during a search; " if name.startswith("test/") else ""
    near = hint(name, metrics)
    raise UserError(
        f"{name!r} is not a validation metric; {shut}{near}, or a cost such as cost/params"
    )


def stream_of(name: str) -> str | None:
    """The stream whose own scores a metric is of."""
    parts = name.split("/")
    return parts[1] if len(parts) == 3 and parts[1] in STREAMS else None
