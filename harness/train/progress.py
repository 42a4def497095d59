"""What a training tells the outside while it runs, and how the outside stops it."""

import time
from collections.abc import Mapping
from typing import Any

import pytorch_lightning as pl

from harness.train.channel import Channel, EndedError, StoppedError, Verdict

SECONDS_BETWEEN_REPORTS = 0.5


class Report(pl.Callback):
    """Sends progress at most twice a second, and the metrics of every epoch."""

    def __init__(self, channel: Channel, verdict: Verdict | None = None) -> None:
        self.channel, self.verdict = channel, verdict
        self._next = 0.0

    def on_train_start(self, trainer: pl.Trainer, _: object) -> None:
        """A training that was told to end, and was killed before it could, ends where it was."""
        if self.verdict is not None:
            raise EndedError(self.verdict, trainer.current_epoch)

    def on_train_batch_end(self, trainer: pl.Trainer, *_: object) -> None:
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + SECONDS_BETWEEN_REPORTS
        total = int(trainer.estimated_stepping_batches)
        facts = {"step": trainer.global_step, "steps": total}
        self._tell("step", facts, trainer.current_epoch)

    def on_train_epoch_end(self, trainer: pl.Trainer, module: Any) -> None:
        epochs = trainer.current_epoch + 1
        self._tell("epoch", {"epoch": epochs, "metrics": module.epoch_metrics()}, epochs)

    def _tell(self, event: str, facts: Mapping[str, object], epochs: int) -> None:
        verdict = self.channel(event, facts)
        if verdict.act == "stop":
            raise StoppedError
        if verdict.act == "end":
            raise EndedError(verdict, epochs)
