"""Which tile computes a convolution fastest here: measured.

What is timed is inference with weights at rest, channels last, on one thread by its CPU time.
"""

from collections.abc import Callable
from itertools import product
from statistics import median
from time import perf_counter, thread_time
from typing import NamedTuple

import torch
from torch import Tensor

from harness.convs.algorithms import winograd_calls
from harness.convs.algorithms.tiles import Tile, suits, tile_of
from harness.convs.geometry import channels_last, times

Call = Callable[[], object]
Clock = Callable[[], float]  # seconds

FEW = 2  # outputs along an axis, for which a tile of four takes no fewer products
NEAR = 1.25  # times the least time of a first look, beyond which a tile is out of the race
MARGIN = 0.95  # times the time of the rule's tile, which another has to stay below
LEAST, MOST, SECONDS = 5, 31, 0.05  # rounds, never fewer or more; for so long


class Task(NamedTuple):
    """What a tile is chosen for; `size` is that of the input, [frames,] height, width."""

    kernel: tuple[int, ...]
    padding: tuple[int, ...]
    channels: int
    filters: int
    size: tuple[int, ...]
    batch: int
    threads: int
    instruction_set: str | None

    @property
    def outputs(self) -> tuple[int, ...]:
        return winograd_calls.lengths(self.size, self.kernel, self.padding)

    @property
    def rule(self) -> Tile:
        """The tile without measuring."""
        weights = self.channels * self.filters
        return tile_of("auto", self.kernel, self.outputs, weights, self.batch)

    def __str__(self) -> str:
        """As in "3x3, padding 1x1, 64 to 64 channels, batch 8 of 56x56, threads 1"."""
        kernel = f"{times(self.kernel)}, padding {times(self.padding)}"
        channels, maps = f"{self.channels} to {self.filters}", f"{self.batch} of {times(self.size)}"
        return f"{kernel}, {channels} channels, batch {maps}, threads {self.threads}"


def candidates(task: Task) -> list[Tile]:
    """The tiles worth a look: none of four outputs where there are two, frames summed directly."""
    axes: list[tuple[int, ...]] = [
        (1,) if r == 1 else (2,) if n <= FEW else (2, 4)
        for r, n in zip(task.kernel, task.outputs, strict=True)
    ]
    if len(axes) == 3 and task.kernel[0] > 1:
        axes[0] = (1, *axes[0])
    return [tile for tile in product(*axes) if suits(tile, task.kernel)]


def fastest(task: Task, clock: Clock | None = None) -> Tile:
    """By the medians of a race, in turns, of all that a first look leaves in it.

    The rule's tile stays unless another is clearly faster. One thread is timed by its CPU time.
    """
    clock = clock or (thread_time if task.threads == 1 else perf_counter)
    # Ones: drawing numbers would change those of the user's seed, and pages of zeros are one page.
    x = _ones(task.batch, task.channels, *task.size)
    weight = _ones(task.filters, task.channels, *task.kernel)
    looks = {tile: _look(_call(task, x, weight, tile), clock) for tile in candidates(task)}
    near = [tile for tile, seconds in looks.items() if seconds <= NEAR * min(looks.values())]
    if near == [task.rule]:
        return task.rule
    # Only now: the transformed weights of all of them may be more than memory holds.
    calls = {tile: _call(task, x, weight, tile) for tile in dict.fromkeys([task.rule, *near])}
    seconds = {tile: median(taken) for tile, taken in _race(calls, clock).items()}
    best = min(seconds, key=seconds.__getitem__)
    return best if seconds[best] < MARGIN * seconds[task.rule] else task.rule


def _ones(*shape: int) -> Tensor:
    layout = channels_last(len(shape) - 2)
    return torch.ones(shape, dtype=torch.float32, device="cpu").contiguous(memory_format=layout)


def _call(task: Task, x: Tensor, weight: Tensor, tile: Tile) -> Call:
    made = winograd_calls.transform(x, weight, task.padding, tile)
    return lambda: winograd_calls.convolve(x, weight, task.padding, tile, transformed=made)


def _look(call: Call, clock: Clock) -> float:
    return min(_turn(call, clock) for _ in range(2))


def _turn(call: Call, clock: Clock) -> float:
    """Seconds of a call that finds the caches as the one before left them."""
    call()
    before = clock()
    call()
    return clock() - before


def _race(calls: dict[Tile, Call], clock: Clock) -> dict[Tile, list[float]]:
    taken: dict[Tile, list[float]] = {tile: [] for tile in calls}
    began = perf_counter()
    for done in range(MOST):
        if done >= LEAST and perf_counter() - began > SECONDS:
            break
        for tile, call in calls.items():
            taken[tile].append(_turn(call, clock))
    return taken
