"""`last.ckpt`: written whole after every epoch, with the state of every random generator.

Lightning's checkpoint holds no RNG state, so its resumed run is another run. This one equals the
uninterrupted run bit for bit on a CPU; the order of clips depends on (seed, epoch) alone.
"""

import random
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch

from harness.files import disk_errors
from harness.train.group import gathered
from harness.train.rank import ALONE, Rank


class LastCheckpoint(pl.Callback):
    """Saves after each epoch; restores the generators before a resumed run's first step."""

    def __init__(self, path: Path, rank: Rank = ALONE) -> None:
        self.path, self.rank = path, rank
        self._restored: dict[str, Any] | None = None
        self._began = perf_counter()

    def on_train_epoch_end(self, trainer: pl.Trainer, _: pl.LightningModule) -> None:
        beside = self.path.with_suffix(".tmp")
        try:
            with disk_errors(self.path):
                trainer.save_checkpoint(beside)  # every rank has a part in it, the first writes
                if self.rank.first:
                    beside.replace(self.path)
        finally:
            if self.rank.first:  # half a checkpoint takes the room that others need
                beside.unlink(missing_ok=True)

    def on_save_checkpoint(
        self, _trainer: pl.Trainer, module: Any, checkpoint: dict[str, Any]
    ) -> None:
        checkpoint["rng"], *others = gathered(rng_state(), self.rank)
        checkpoint["rng_of_others"] = others
        checkpoint["logged"] = module.epoch_metrics()
        checkpoint["seconds"] = module.seconds_before + perf_counter() - self._began

    def on_load_checkpoint(
        self, _trainer: pl.Trainer, module: Any, checkpoint: dict[str, Any]
    ) -> None:
        states = [checkpoint["rng"], *checkpoint.get("rng_of_others", [])]
        self._restored = states[self.rank.number]
        module.logged = dict(checkpoint["logged"])
        module.seconds_before = checkpoint.get("seconds", 0.0)

    def on_train_start(self, *_: object) -> None:
        if self._restored is not None:
            set_rng_state(self._restored)


def rng_state() -> dict[str, Any]:
    """Plain numbers and tensors only, so that `weights_only=True` loads it."""
    # The legacy generator, which is the one that other libraries draw from.
    name, keys, position, has_gauss, gauss = np.random.get_state(legacy=True)  # noqa: NPY002
    state = {
        "torch": torch.get_rng_state(),
        "numpy": (name, torch.from_numpy(np.asarray(keys, np.int64)), position, has_gauss, gauss),
        "python": random.getstate(),
    }
    if torch.cuda.is_available():  # not run on a GPU yet
        state["cuda"] = torch.cuda.get_rng_state_all()
    return state


def set_rng_state(state: dict[str, Any]) -> None:
    name, keys, position, has_gauss, gauss = state["numpy"]
    torch.set_rng_state(state["torch"].cpu())
    np.random.set_state(  # noqa: NPY002 (what others use)
        (name, keys.cpu().numpy().astype(np.uint32), position, has_gauss, gauss)
    )
    random.setstate(state["python"])
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state_all([s.cpu() for s in state["cuda"]])
