"""Peak memory of this process."""

import resource
import sys


def peak_mb() -> float:
    """High-water mark of the resident set, in MB of 10^6 bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak * (1 if sys.platform == "darwin" else 1024) / 1e6
