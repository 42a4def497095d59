"""Peak memory: of this process, and of one call above what is there before it; and enough of it."""

import resource
import sys
from pathlib import Path

from harness.bench.race import Call
from harness.data.space import memory
from harness.errors import UserError

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def must_fit(what: str, values: int) -> None:
    """UserError if so many float32 values are more than memory holds."""
    if 4 * values > memory():
        needed, there = (f"{size / 1e9:,.0f} GB" for size in (4 * values, memory()))
        raise UserError(f"{what} needs at least {needed} of memory; here are {there}")


def peak_mb() -> float:
    """High-water mark of the resident set, in MB of 10^6 bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak * (1 if sys.platform == "darwin" else 1024) / 1e6


def extra_mb(call: Call) -> float | None:
    """How far the resident set rises during a call, in MB of 10^6 bytes, its result included.

    None where the high-water mark cannot be reset (it can on Linux).
    """
    try:
        CLEAR.write_text("5", encoding="ascii")  # proc(5): resets the peak
    except OSError:
        return None
    before = _status("VmRSS")
    result = call()
    peak = _status("VmHWM")
    del result
    return (peak - before) / 1e6


def _status(key: str) -> int:
    """Bytes."""
    lines = STATUS.read_text(encoding="utf-8").splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(key))
