"""What all ways to run one sweep share: clips, experiment, trials; written once, read by each.

`Setting.make` writes a folder: the segments, the experiment, the sweep file, the cache. Every way
is a program of its own that is given that folder and leaves `<way>/<trial>.json` in it: the final
metrics of each trial, which must be those of the other ways.
"""

import csv
import json
import shutil
from dataclasses import asdict, dataclass
from math import ceil, floor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytorch_lightning as pl
import torch

from harness.config.experiment import Experiment, load_experiment
from harness.data.views import Views
from harness.models.build import network_of
from harness.places import Places
from harness.source import Source, prepare_source
from harness.train.loaders import Loader, batches_of
from harness.train.module import Classifier

Params = dict[str, Any]  # of a trial, by key of the experiment
CORES, SEED = 2, 0
SPACE = {
    "train.optimizer.lr": {"float": [3e-4, 3e-2], "log": True},
    "train.label_smoothing": {"float": [0.0, 0.2]},
    "model.fusion.name": {"choice": ["average", "sum"]},
}
SECOND = 30  # frames, of UT-Interaction's files
SHAPES = {
    "name": "moving_shapes",
    "task": "direction",
    "size": 128,
    "frames": 16,
    "train": 24,
    "test": 4,
    "val": {"by": "clip", "share": 0.2},
}


@dataclass(frozen=True, kw_only=True)
class Setting:
    """Where everything is, and which trials there are."""

    folder: Path
    roots: tuple[Path, ...]
    overrides: list[str]
    trials: list[Params]

    @classmethod
    def make(cls, folder: Path, data: Path, trials: int, clips: int, epochs: int) -> "Setting":
        """Segments of real videos where `data` has them, else moving_shapes."""
        overrides = [f"train.epochs={epochs}"]
        if (data / "ut_interaction").is_dir():
            share = write_segments(folder / "segments.csv", data / "ut_interaction", clips)
            overrides.append(f"data.val={json.dumps({'by': 'group', 'share': share})}")
            (folder / "videos").symlink_to((data / "ut_interaction").absolute())
        else:
            overrides += [f"data={json.dumps(SHAPES)}", "data.clip.flip=false"]
        setting = cls(folder=folder, roots=(folder,), overrides=overrides, trials=drawn(trials))
        shutil.copy(Path(__file__).with_name("sweep.yaml"), folder / "base.yaml")
        search = {
            "trials": trials,
            "sampler": {"name": "random", "seed": SEED},
            "space": SPACE,
            "enqueue": setting.trials,
        }
        sets = dict(text.split("=", 1) for text in overrides)
        # The arm's own values are the first trial, so that they are made those of the first.
        own = {k: json.loads(v) for k, v in sets.items()} | setting.trials[0]
        arm = {"base": "base.yaml", "set": own}
        sweep = {"name": "sweep", "arms": [arm], "search": search}
        (folder / "sweep.yaml").write_text(json.dumps(sweep))
        stored = asdict(setting) | {"folder": str(folder), "roots": [str(r) for r in setting.roots]}
        (folder / "setting.json").write_text(json.dumps(stored))
        return setting

    @classmethod
    def read(cls, folder: Path) -> "Setting":
        stored = json.loads((folder / "setting.json").read_text())
        roots = tuple(map(Path, stored.pop("roots")))
        return cls(**stored | {"folder": folder, "roots": roots})

    @property
    def places(self) -> Places:
        return Places(data=self.roots, cache=self.folder / "cache", runs=self.folder / "runs")

    def experiment(self, number: int | None = None) -> Experiment:
        """That of a trial, or what all trials have in common."""
        params = {} if number is None else self.trials[number]
        changes = [f"{key}={json.dumps(value)}" for key, value in params.items()]
        return load_experiment(self.folder / "base.yaml", [*self.overrides, *changes])[0]

    def source(self, workers: int = 1) -> Source:
        data = self.experiment().data
        return prepare_source(data, self.places, workers=workers, progress=lambda *_: None)

    def steps(self, clips: int) -> int:
        """Of a trial on so many training clips."""
        train = self.experiment().train
        return train.epochs * len(batch_bounds(clips, train.batch_size))

    def leave(self, way: str, number: int, metrics: dict[str, Any]) -> None:
        """The final metrics of a trial, for whoever compares."""
        place = self.folder / way
        place.mkdir(exist_ok=True)
        (place / f"{number}.json").write_text(json.dumps(metrics))


def drawn(trials: int) -> list[Params]:
    """Settings drawn from the space as random search would, the same for every way."""
    rng = np.random.default_rng(SEED)
    return [
        {
            "train.optimizer.lr": float(10 ** rng.uniform(np.log10(3e-4), np.log10(3e-2))),
            "train.label_smoothing": float(rng.uniform(0, 0.2)),
            "model.fusion.name": ["average", "sum"][int(rng.integers(2))],
        }
        for _ in range(trials)
    ]


def write_segments(file: Path, videos: Path, clips: int) -> float:
    """The first two seconds of each video as two clips, classes taking turns.

    Two more of each class than are to be trained on: returns the share to carve for validation.
    """
    by_class = [sorted(folder.iterdir()) for folder in sorted(videos.iterdir())]
    ordered = [video for turn in zip(*by_class, strict=True) for video in turn]
    rows = [
        [f"{video.parent.name}/{video.name}", video.parent.name, start, start + 1, "train"]
        for video in ordered
        for start in (0, 1)
    ]
    listed = clips + 2 * len(by_class)
    with file.open("w", newline="") as stream:
        head = ["video", "label", "start", "end", "subset"]
        csv.writer(stream).writerows([head, *rows[:listed]])
    return floor(20_000 / ceil(listed / len(by_class))) / 10_000


def seeded(setting: Setting, experiment: Experiment, source: Source) -> Classifier:
    """The network and its loss and optimiser as `harness.execute` builds them; one thread."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    pl.seed_everything(SEED, workers=True, verbose=False)
    network = network_of(experiment, len(source.classes), experiment.data.clip.crop or 0)
    steps = setting.steps(len(source.subsets["train"]))
    return Classifier(network, experiment.train, experiment.eval, steps)


def batch_bounds(clips: int, size: int) -> list[range]:
    """Which of the shuffled clips go into each batch; a single one at the end joins the last."""
    starts = list(range(0, clips, size))
    if len(starts) > 1 and clips - starts[-1] == 1:
        del starts[-1]
    return [range(a, b) for a, b in zip(starts, [*starts[1:], clips], strict=True)]


def cached_loaders(
    experiment: Experiment, source: Source, module: Classifier
) -> tuple[Loader, Loader]:
    """Of the training clips, and of the validation clips in a single view."""
    train, val = (
        Loader(
            batches_of(
                experiment, source, subset, module.network.modalities, seed=SEED, views=Views()
            )
        )
        for subset in ("train", "val")
    )
    return train, val


def final_metrics(module: Classifier) -> dict[str, float]:
    return module.logged | module.summary("val")
