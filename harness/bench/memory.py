"""Peak memory of this process."""

import resource
import sys


def peak_mib() -> float:
    """High-water mark of the resident set, in MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)
