"""What a training tells the outside while it runs, and how the outside stops it."""

import time
from typing import Any

import pytorch_lightning as pl

from harness.train.before import NOTHING, Before
from harness.train.channel import GO, Channel, EndedError, StoppedError, Verdict
from harness.train.group import agreed
from harness.train.rank import ALONE, Rank

SECONDS_BETWEEN_REPORTS = 0.5


class Report(pl.Callback):
    """Sends progress at most twice a second, and the metrics of every epoch."""

    def __init__(self, channel: Channel, before: Before = NOTHING, rank: Rank = ALONE) -> None:
        self.channel, self.before, self.rank = channel, before, rank
        self._next = 0.0

    def on_load_checkpoint(self, _: pl.Trainer, __: object, checkpoint: dict[str, Any]) -> None:
        """A training that was told to end, and was killed before it could, ends where it was; one
        that was killed between a checkpoint and the report of its epoch reports it now.
        """
        epochs = checkpoint["epoch"] + 1
        if self.before.verdict is not None:
            raise EndedError(self.before.verdict, epochs)
        if epochs > self.before.epochs:
            self._report(epochs, dict(checkpoint["logged"]))

    def on_train_batch_end(self, trainer: pl.Trainer, *_: object) -> None:
        verdict = GO
        if self.rank.first and time.monotonic() >= self._next:
            self._next = time.monotonic() + SECONDS_BETWEEN_REPORTS
            total = int(trainer.estimated_stepping_batches)
            verdict = self.channel("step", {"step": trainer.global_step, "steps": total})
        self._obey(verdict, trainer.current_epoch)

    def on_train_epoch_end(self, trainer: pl.Trainer, module: Any) -> None:
        self._report(trainer.current_epoch + 1, module.epoch_metrics())

    def _report(self, epochs: int, metrics: dict[str, float]) -> None:
        facts = {"epoch": epochs, "metrics": metrics}
        self._obey(self.channel("epoch", facts) if self.rank.first else GO, epochs)

    def _obey(self, verdict: Verdict, epochs: int) -> None:
        """All ranks do what the first was told."""
        verdict = agreed(verdict, self.rank)
        if verdict.act == "stop":
            raise StoppedError
        if verdict.act == "end":
            raise EndedError(verdict, epochs)
