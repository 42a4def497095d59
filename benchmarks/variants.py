"""Four ways to feed one network, each as a training that is ready to run.

A variant is a function of the bench and a folder of its own; it sets everything up and returns the
call that trains: `bench.visits` clip visits in one epoch. Only that call is measured.
"""

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from typing import TextIO

import cv2
import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from usual import Cut, JpegFrames, OnTheFly

from harness.config.experiment import Experiment
from harness.data.clip import Clip
from harness.models.build import network_of
from harness.models.inputs import to_input
from harness.places import Places
from harness.source import prepare_source
from harness.train.channel import GO
from harness.train.fit import fit, quiet, trainer_for
from harness.train.loaders import Loader, batches_of
from harness.train.module import Classifier

WORKERS = 2  # of a DataLoader


@dataclass(frozen=True, kw_only=True)
class Bench:
    """What all variants share: the clips, where their forms lie, and how often they are seen."""

    experiment: Experiment
    places: Places
    classes: int
    clips: list[Clip]
    jpegs: Path
    visits: int

    @property
    def cut(self) -> Cut:
        data = self.experiment.data
        resize, crop = data.resize or 0, data.clip.crop or 0  # data.yaml gives both
        return Cut(frames=data.clip.frames, resize=resize, crop=crop, flip=data.clip.flip)

    @property
    def visited(self) -> list[Clip]:
        """The clips over and over: an epoch as long as that of a large data set."""
        return list(islice(cycle(self.clips), self.visits))


Training = Callable[[], None]


def floor(bench: Bench, folder: Path) -> Training:
    """Our training loop without any data: it repeats one batch of finished float32 inputs."""
    module = module_of(bench)
    batch = next(iter(loader_of(bench, module)))
    for stream in module.network.streams.values():
        kind = stream.input
        inputs = to_input(batch[kind.modality], kind, stream.bound)
        batch[kind.modality] = inputs.unflatten(0, (-1, 1))
    without_normalisation(module)
    return training(Resident(batch, bench.visits // len(batch["label"])), module, folder)


def ours(bench: Bench, folder: Path) -> Training:
    """The project's loop over its memory-mapped cache: uint8 batches, normalised in the network."""
    module = module_of(bench)
    return training(loader_of(bench, module), module, folder)


def on_the_fly(bench: Bench, folder: Path) -> Training:
    """decord and Farneback at the native size in a Dataset, two workers, Lightning's defaults."""
    return usual(OnTheFly(bench.visited, bench.cut), bench, folder)


def jpeg_frames(bench: Bench, folder: Path) -> Training:
    """TSN's JPEG frames and flow images (340 x 256, PIL), two workers, Lightning's defaults."""
    return usual(JpegFrames(bench.visited, bench.cut, bench.jpegs), bench, folder)


def module_of(bench: Bench) -> Classifier:
    """The same network, loss and optimiser everywhere; one thread."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    pl.seed_everything(0, verbose=False)
    experiment = bench.experiment
    network = network_of(experiment, bench.classes, bench.cut.crop)
    return Classifier(network, experiment.train, experiment.eval, steps=bench.visits)


def loader_of(bench: Bench, module: Classifier) -> Loader:
    source = prepare_source(
        bench.experiment.data, bench.places, workers=1, progress=lambda *_: None
    )
    visited = replace(source, subsets={"train": bench.visited})
    return Loader(batches_of(bench.experiment, visited, "train", module.network.modalities, seed=0))


def training(
    loader: "Loader | Resident", module: Classifier, folder: Path, epochs: int = 1
) -> Training:
    """harness.train's own trainer, its checkpoint after every epoch and its reports included."""
    trainer = trainer_for(folder, replace(module.settings, epochs=epochs), lambda *_: GO, "cpu")
    return partial(fit, trainer, module, loader, None)


def usual(dataset: Dataset, bench: Bench, folder: Path) -> Training:
    module = module_of(bench)
    without_normalisation(module)
    batch = bench.experiment.train.batch_size
    loader = DataLoader(dataset, batch, shuffle=True, num_workers=WORKERS)

    def train() -> None:
        logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
        with Path(os.devnull).open("w") as nowhere, out_and_error_to(nowhere), quiet():
            trainer = pl.Trainer(max_epochs=1, accelerator="cpu", default_root_dir=folder)
            trainer.fit(module, loader)

    return train


@contextmanager
def out_and_error_to(file: TextIO) -> Iterator[None]:
    """The progress bar is among Lightning's defaults; nobody needs to see it."""
    with redirect_stdout(file), redirect_stderr(file):
        yield


def without_normalisation(module: Classifier) -> None:
    for name, stream in module.network.streams.items():
        module.network.streams[name] = Finished(stream)


class Finished(nn.Module):
    """A stream whose batches are normalised float32 already: (batch, 1, channels, ...)."""

    def __init__(self, stream: nn.Module) -> None:
        super().__init__()
        self.backbone, self.modality = stream.backbone, stream.input.modality

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        return self.backbone(batch[self.modality].flatten(0, 1))


class Resident:
    """One batch, again and again."""

    def __init__(self, batch: dict[str, Tensor], steps: int) -> None:
        self.batch, self.steps = batch, steps

    def __len__(self) -> int:
        return self.steps

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        return iter([self.batch] * self.steps)
