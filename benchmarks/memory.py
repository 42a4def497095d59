"""What trainings hold in memory: two that share a cache, and one over many epochs."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from measure import mapped_bytes, private_bytes, side_by_side
from variants import Bench, loader_of, module_of, training

VISITS = 16  # clips of an epoch, where only the number of epochs matters
SHARES = (0.04, 0.2, 0.5, 1)  # of the epochs, after which the memory is told


def sharing(bench: Bench) -> Iterator[str]:
    """Two trainings at once from one cache: what each maps, and its proportional share of it."""
    barrier = get_context("fork").Barrier(2)
    tasks = [partial(_train_and_look, bench, barrier) for _ in range(2)]
    for number, held in enumerate(side_by_side(tasks), start=1):
        yield f"training {number} of 2 from one cache: " + ", ".join(
            f"{name} {size / 1e6:.1f} MB" for name, size in held.items()
        )


def _train_and_look(bench: Bench, barrier: Any) -> dict[str, int]:
    with TemporaryDirectory() as folder:
        module = module_of(bench)
        training(loader_of(bench, module), module, Path(folder))()
    barrier.wait()  # both have read, and both still map it
    held = mapped_bytes(bench.places.cache.resolve())
    barrier.wait()
    return held


def growth(bench: Bench, epochs: int) -> Iterator[str]:
    """The private memory of one training, epoch by epoch."""
    [sizes] = side_by_side([partial(_train_long, replace(bench, visits=VISITS), epochs)])
    chosen = sorted({max(1, round(share * epochs)) for share in SHARES})
    yield f"private memory of a training of {epochs} epochs: " + ", ".join(
        f"epoch {epoch} {sizes[epoch - 1] / 1e6:.1f} MB" for epoch in chosen
    )


def _train_long(bench: Bench, epochs: int) -> list[int]:
    sizes: list[int] = []
    module = module_of(bench)
    module.on_train_epoch_end = lambda: sizes.append(private_bytes())
    with TemporaryDirectory() as folder:
        training(loader_of(bench, module), module, Path(folder), epochs)()
    return sizes
