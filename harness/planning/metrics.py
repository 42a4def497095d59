"""What a search may look at: validation metrics and costs, never the test split."""

from harness.errors import UserError
from harness.registry import hint

VALIDATION = ("top1", "top5", "mean_class")
COUNTED = ("params", "macs", "flops", "multiplications", "seconds/fit")
MEASURED = (  # seconds of every network, so that a search does without where it may
    "latency_ms_p50", "latency_ms_p90", "samples_per_second", "energy_j", "memory_mb_peak",
    "memory_mb_extra",
)  # fmt: skip
COSTS = COUNTED + MEASURED
NAMES = [f"val/{name}" for name in VALIDATION] + [f"cost/{name}" for name in COSTS]


def check_metric(name: str) -> None:
    """UserError unless a search's record has it: `val/top1`, `val/STREAM/top1`, `cost/params`."""
    kind, *between, last = name.split("/")
    if kind == "val" and last in VALIDATION and len(between) < 2:
        return
    if name in NAMES:
        return
    if kind == "cost":
        raise UserError(f"{name!r} is not a cost; {hint(name, NAMES)}")
    raise UserError(
        f"{name!r} is not a validation metric; the test split stays shut during a search "
        f"(use val/top1, val/top5 or val/mean_class, or a cost such as cost/params)"
    )
