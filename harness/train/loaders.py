"""Batches of cached clips as tensors, made in the training process.

Loader workers make cached data several times slower (a batch travels through shared memory), so
there are none: `Batches` fills one array a batch.
"""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from harness.config.experiment import Experiment
from harness.data.batches import Batches
from harness.data.views import Views
from harness.source import Source, augmentation_of
from harness.train.rank import ALONE, Rank


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
    source: Source,
    subset: str,
    modalities: dict[str, int],
    *,
    seed: int,
    views: Views | None = None,
    rank: Rank = ALONE,
) -> Batches:
    """Of "train", drawn anew each epoch, or of "val" or "test", in the experiment's views.

    `modalities`: how many rgb and flow frames a sample needs, by name; `rank` gets its share.
    """
    test = experiment.eval
    return Batches(
        source.cache,
        source.subsets[subset],
        experiment.data.clip,
        rgb_frames=modalities.get("rgb", 0),
        flow="flow" in modalities,
        batch_size=experiment.train.batch_size,
        seed=seed,
        training=subset == "train",
        mirrored=source.mirrored,
        augmentation=augmentation_of(experiment.data.augment),
        stacking=experiment.data.flow.stacking,
        views=views or Views(times=test.views, crops=test.crops, mirror=test.mirror),
        rank=rank.number,
        ranks=rank.count,
    )
