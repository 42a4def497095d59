"""Training and evaluation with Lightning, stripped to what a cell needs.

No progress bar, logger or summary of Lightning's own: the coordinator shows progress, the tracker
logs, the record keeps. `last.ckpt` is written after every epoch and an interrupted run goes on.
"""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch

from harness.config.experiment import Train
from harness.parallel import STRATEGIES
from harness.train.before import NOTHING, Before
from harness.train.channel import Channel
from harness.train.checkpoint import LastCheckpoint
from harness.train.group import Met
from harness.train.loaders import Loader
from harness.train.module import Classifier
from harness.train.progress import Report
from harness.train.rank import ALONE, Rank


def trainer_for(
    folder: Path,
    train: Train,
    channel: Channel | None,
    device: str,
    before: Before = NOTHING,
    rank: Rank = ALONE,
) -> pl.Trainer:
    """`before`: of attempts that this one goes on from; `rank`: of those that share it."""
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    # Deterministic torch also writes over every new map, for code that reads what it never wrote.
    # The module makes the attribute a property: types do not know it.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    callbacks: list[pl.Callback] = []
    if channel is not None:  # the checkpoint first: who is stopped has saved the epoch
        callbacks = [
            LastCheckpoint(folder / "last.ckpt", rank),
            Report(channel, before, rank),
        ]
    spread: dict[str, Any] = {"devices": 1}
    if train.parallel is not None:
        strategy = STRATEGIES[train.parallel.name](**train.parallel.options)
        spread = {"devices": rank.count, "strategy": strategy, "plugins": [Met(rank)]}
    return pl.Trainer(
        max_epochs=train.epochs,
        accelerator=device,
        callbacks=callbacks,
        deterministic="warn",
        default_root_dir=folder,
        logger=False,
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=False,
        num_sanity_val_steps=0,
        **spread,
    )


def fit(trainer: pl.Trainer, module: Classifier, train: Loader, val: Loader | None) -> None:
    """Train to the last epoch, from `last.ckpt` if there is one; end with the scores of `val`."""
    last = Path(trainer.default_root_dir) / "last.ckpt"
    train.epoch = lambda: trainer.current_epoch
    if val is not None:
        evaluate_on(module, val)
    with quiet():
        trainer.fit(
            module,
            train_dataloaders=train,
            val_dataloaders=val,
            ckpt_path=last if last.is_file() else None,
            weights_only=True,
        )


def score(
    trainer: pl.Trainer, module: Classifier, loader: Loader, subset: str
) -> dict[str, np.ndarray]:
    """Every video's log-scores, (videos, classes) by head, and whose they are, as plain arrays."""
    evaluate_on(module, loader)
    with quiet():
        trainer.test(module, dataloaders=loader, verbose=False)
    heads = {head: scores.compute().cpu().numpy() for head, scores in module.scores.items()}
    arrays = {"logits": heads.pop("fused"), **heads}
    arrays |= {"video_ids": np.array(loader.batches.ids), "labels": module.labels.numpy()}
    return {f"{subset}/{name}": array for name, array in arrays.items()}


def evaluate_on(module: Classifier, loader: Loader) -> None:
    """Make ready for the videos of a loader; classes without mirror images are their own."""
    labels, mirrored = loader.batches.labels, loader.batches.mirrored
    if mirrored is None:
        mirrored = range(module.network.classes)
    module.evaluate_on(torch.tensor(labels), torch.tensor(list(mirrored)))


# What Lightning says of every run of ours: (message, why it does not matter here).
IDLE_ADVICE = (
    (".*does not have many workers.*", "loader processes are slower for cached data: loaders.py"),
    (".*have no `val_dataloader`.*", "an experiment may go without validation clips"),
    (".*isinstance.treespec, LeafSpec.*", "Lightning's use of torch, not ours"),
)


@contextmanager
def quiet() -> Iterator[None]:
    """Leave out advice that a reader of the log could only learn to ignore."""
    with warnings.catch_warnings():
        for message, _ in IDLE_ADVICE:
            warnings.filterwarnings("ignore", message)
        yield
