"""What is freed is kept, or given back: counted in pages that the kernel hands out."""

import resource

import pytest
import torch

from harness.bench.isolated import isolated
from harness.malloc import give_back_freed_memory, keep_freed_memory

PAGES = 2048  # of 4 kB, in a tensor
HELD = 20  # tensors at once, as the activations of a step are
STEPS = 10
EACH_TIME = PAGES * HELD * STEPS


def step() -> None:
    tensors = [torch.ones(PAGES * 1024) for _ in range(HELD)]
    del tensors


def faults(setting) -> int:
    """Pages that are asked for in so many steps, after a first few."""
    torch.set_num_threads(1)
    setting()
    for _ in range(STEPS):
        step()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(STEPS):
        step()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


@pytest.mark.parametrize(
    ("setting", "least", "most"),
    [(keep_freed_memory, 0, PAGES), (give_back_freed_memory, EACH_TIME, 2 * EACH_TIME)],
)
def test_pages_are_asked_for_once_or_each_time(setting, least, most):
    assert least <= isolated(faults, setting) <= most
