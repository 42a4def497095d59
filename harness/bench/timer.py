"""Latency and throughput of one network: warm-up, repeats, median and 90th percentile."""

import time
from collections.abc import Callable

import numpy as np
import torch


def latency_ms(
    call: Callable[[], object], device: torch.device, *, warmup: int = 3, repeats: int = 20
) -> tuple[float, float]:
    """(p50, p90) in milliseconds of wall time."""
    p50, p90 = np.percentile(_milliseconds(call, device, warmup, repeats), [50, 90])
    return float(p50), float(p90)


def throughput(
    call: Callable[[], object],
    samples: int,
    device: torch.device,
    *,
    warmup: int = 1,
    repeats: int = 3,
) -> float:
    """Samples a second of wall time, `call` taking `samples` at once: the median call."""
    return 1000 * samples / float(np.median(_milliseconds(call, device, warmup, repeats)))


def _milliseconds(
    call: Callable[[], object], device: torch.device, warmup: int, repeats: int
) -> list[float]:
    """In evaluation, waiting for the device each time."""
    times = []
    with torch.inference_mode():
        for turn in range(warmup + repeats):
            before = time.perf_counter()
            call()
            if device.type == "cuda":  # not run on a GPU yet
                torch.cuda.synchronize(device)
            if turn >= warmup:
                times.append(1000 * (time.perf_counter() - before))
    return times
