"""`last.ckpt`: written whole after every epoch, with the state of every random generator.

Lightning's checkpoint holds no RNG state, so its resumed run is another run. This one equals the
uninterrupted run bit for bit on a CPU; the order of clips depends on (seed, epoch) alone.
"""

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch

from harness.files import disk_errors


class LastCheckpoint(pl.Callback):
    """Saves after each epoch; restores the generators before a resumed run's first step."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._restored: dict[str, Any] | None = None

    def on_train_epoch_end(self, trainer: pl.Trainer, _: pl.LightningModule) -> None:
        beside = self.path.with_suffix(".tmp")
        try:
            with disk_errors(self.path):
                trainer.save_checkpoint(beside)
                beside.replace(self.path)
        finally:
            beside.unlink(missing_ok=True)  # half a checkpoint takes the room that others need

    def on_save_checkpoint(
        self, _trainer: pl.Trainer, module: Any, checkpoint: dict[str, Any]
    ) -> None:
        checkpoint["rng"] = rng_state()
        checkpoint["logged"] = module.epoch_metrics()

    def on_load_checkpoint(
        self, _trainer: pl.Trainer, module: Any, checkpoint: dict[str, Any]
    ) -> None:
        self._restored = checkpoint["rng"]
        module.logged = dict(checkpoint["logged"])

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
