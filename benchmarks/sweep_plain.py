"""(a) The usual sweep: Optuna, Lightning, decord and flow on the fly, a fresh process a trial.

    python benchmarks/sweep_plain.py FOLDER          the study, as many trials at once as cores
    python benchmarks/sweep_plain.py FOLDER NUMBER   one trial: the process that the study starts

Lightning's Trainer has its defaults (progress bar, logger, checkpoint), but does not check the
validation loop beforehand; batches are loaded in the process that trains: two trials fill two cores
and need no loader workers. Samples, their order and their augmentation are those of the cache, so
that the final metrics must be too. Therefore decord reads each clip from the file's first frame:
in these files (MPEG-4 with B-frames) random access is a third faster, and returns other frames.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import decord
import numpy as np
import optuna
import pytorch_lightning as pl
import torch
from sweep_setting import CORES, SECOND, SEED, Setting, batch_bounds, final_metrics, seeded
from torch.utils.data import DataLoader, Dataset

from harness.config.experiment import Data
from harness.data.clip import Clip
from harness.data.cuts import Cut, random_cut
from harness.data.sampling import middles
from harness.data.views import Views
from harness.flow.codes import encode
from harness.source import Source, augmentation_of
from harness.train.fit import quiet

Draw = tuple[int, int]  # of which epoch, and which clip


def study(folder: Path) -> None:
    setting = Setting.read(folder)

    def objective(trial: optuna.Trial) -> float:
        trial.suggest_float("train.optimizer.lr", 3e-4, 3e-2, log=True)
        trial.suggest_float("train.label_smoothing", 0.0, 0.2)
        trial.suggest_categorical("model.fusion.name", ["average", "sum"])
        number = setting.trials.index(trial.params)
        command = [sys.executable, __file__, str(folder), str(number)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return json.loads((folder / "plain" / f"{number}.json").read_text())["val/top1"]

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    search = optuna.create_study(direction="maximize", sampler=optuna.samplers.RandomSampler())
    for params in setting.trials:
        search.enqueue_trial(params)
    search.optimize(objective, n_trials=len(setting.trials), n_jobs=CORES)


def trial(folder: Path, number: int) -> None:
    setting = Setting.read(folder)
    experiment, source = setting.experiment(number), setting.source()
    module = seeded(setting, experiment, source)
    train = OnTheFly(source, "train", experiment.data)
    order = InOrder(len(train), experiment.train.batch_size)
    val = OnTheFly(source, "val", experiment.data)
    in_turn = DataLoader(val, experiment.train.batch_size)
    mirrored = torch.tensor(source.mirrored or range(len(source.classes)))
    module.evaluate_on(val.labels, mirrored)
    with quiet():
        trainer = pl.Trainer(
            max_epochs=experiment.train.epochs,
            accelerator="cpu",
            default_root_dir=folder / "plain" / str(number),
            num_sanity_val_steps=0,
        )
        trainer.fit(module, DataLoader(train, batch_sampler=order), in_turn)
        module.epoch_metrics()  # the loss of the last epoch
        trainer.test(module, in_turn)
    setting.leave("plain", number, final_metrics(module))


class OnTheFly(Dataset):
    """Clips of a subset, read and given flow whenever they are asked for."""

    def __init__(self, source: Source, subset: str, data: Data) -> None:
        self.clips, self.spec, self.subset = source.subsets[subset], data.clip, subset
        self.bound, self.mirrored = data.flow.bound, source.mirrored
        self.shapes = [source.cache.shape(clip.id) for clip in self.clips]
        self.augmentation = augmentation_of(data.augment)
        self.size = (data.clip.crop or 0, data.clip.crop or 0)
        self.labels = torch.tensor([clip.label for clip in self.clips])

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, draw: Draw | int) -> dict[str, Any]:
        epoch, index = draw if isinstance(draw, tuple) else (0, draw)
        clip, cut = self.clips[index], self.cut(epoch, index)
        frames = frames_until(clip, int(cut.windows.max()) + 2)
        label = clip.label
        if cut.mirrored and self.mirrored is not None:
            label = self.mirrored[label]
        return {
            "label": label,
            "video": index,
            "mirrored": cut.mirrored,
            "rgb": rgb_of(frames, cut),
            "flow": flow_of(frames, cut, self.bound),
        }

    def cut(self, epoch: int, index: int) -> Cut:
        """In training drawn from (seed, epoch, index), as the cached batches draw it."""
        shape = self.shapes[index]
        if self.subset != "train":
            return Views().cut(0, shape, self.size, self.spec)
        rng = np.random.default_rng((SEED, epoch, index))
        return random_cut(shape, self.size, self.spec, self.augmentation, rng)


class InOrder:
    """Batches of (epoch, clip), shuffled by (seed, epoch) as the cached batches are."""

    def __init__(self, clips: int, size: int) -> None:
        self.clips, self.bounds, self.epoch = clips, batch_bounds(clips, size), 0

    def __len__(self) -> int:
        return len(self.bounds)

    def __iter__(self) -> Iterator[list[Draw]]:
        epoch, self.epoch = self.epoch, self.epoch + 1
        order = np.random.default_rng((SEED, epoch, self.clips)).permutation(self.clips)
        for bounds in self.bounds:
            yield [(epoch, int(order[place])) for place in bounds]


def frames_until(clip: Clip, after: int) -> np.ndarray:
    """The frames of a clip up to one, at the size of the file."""
    reader = decord.VideoReader(str(clip.path), num_threads=1)
    first = round(clip.span.first * SECOND) if clip.span else 0
    return reader.get_batch(range(first + after)).asnumpy()[first:]


def rgb_of(frames: np.ndarray, cut: Cut) -> np.ndarray:
    box, positions = cut.box, middles(cut.windows)
    boxed = frames[positions.ravel(), box.top : box.bottom, box.left : box.right]
    return cut.frames(boxed).reshape(*positions.shape, *cut.size, 3)


def flow_of(frames: np.ndarray, cut: Cut, bound: float) -> np.ndarray:
    """Farneback's flow of whole frames, as the recipe of the experiment says; then the box."""
    first, last = int(cut.windows.min()), int(cut.windows.max())
    grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames[first : last + 2]]
    fields = [
        cv2.calcOpticalFlowFarneback(a, b, None, 0.5, 3, 15, 3, 5, 1.1, 0)
        for a, b in pairwise(grey)
    ]
    box = cut.box
    boxed = [
        encode(fields[at - first], bound)[box.top : box.bottom, box.left : box.right]
        for at in cut.windows.ravel()
    ]
    return cut.fields(np.stack(boxed)).reshape(*cut.windows.shape, *cut.size, 2)


if __name__ == "__main__":
    place, *which = sys.argv[1:]
    if which:
        with redirect_stdout(sys.stderr):
            trial(Path(place), int(which[0]))
    else:
        study(Path(place))
