"""Batches of cached clips as tensors, made in the training process.

Loader workers make cached data several times slower (a batch travels through shared memory), so
there are none: `Batches` fills one array a batch.
"""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from harness.config.experiment import Experiment
from harness.data.batches import Batches
from harness.data.cache import Cache
from harness.data.clip import Clip


class Loader:
    """An iterable of tensor batches; `epoch` is asked when an iteration starts."""

    def __init__(self, batches: Batches, epoch: Callable[[], int] = lambda: 0) -> None:
        self.batches = batches
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        self.batches.set_epoch(self.epoch())
        for batch in self.batches:
            yield {name: torch.from_numpy(array) for name, array in batch.items()}


def batches_of(
    experiment: Experiment,
    cache: Cache,
    clips: list[Clip],
    modalities: dict[str, int],
    *,
    seed: int,
    training: bool,
) -> Batches:
    """`modalities`: how many rgb and flow frames a sample needs, by name."""
    return Batches(
        cache,
        clips,
        experiment.data.clip,
        rgb_frames=modalities.get("rgb", 0),
        flow="flow" in modalities,
        batch_size=experiment.train.batch_size,
        seed=seed,
        training=training,
        views=1 if training else experiment.eval.views,
        mirror=not training and experiment.eval.mirror,
    )
