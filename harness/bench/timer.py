"""Latency of one call: warm-up, repeats, median and 90th percentile."""

import time
from collections.abc import Callable

import numpy as np
import torch


def latency_ms(
    call: Callable[[], object], *, warmup: int = 3, repeats: int = 20
) -> tuple[float, float]:
    """(p50, p90) in milliseconds of wall time, in evaluation, waiting for the device each time."""
    times = []
    with torch.inference_mode():
        for turn in range(warmup + repeats):
            before = time.perf_counter()
            call()
            if torch.cuda.is_available():  # not run on a GPU yet
                torch.cuda.synchronize()
            if turn >= warmup:
                times.append(1000 * (time.perf_counter() - before))
    p50, p90 = np.percentile(times, [50, 90])
    return float(p50), float(p90)
