"""The one LightningModule: losses, video scores, optimiser. Policy lives in the experiment."""

from math import isfinite
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.nn import functional as F

from harness.config.experiment import Eval, Train
from harness.errors import UserError
from harness.models.two_stream import TwoStream
from harness.optim import OPTIMIZERS, SCHEDULES
from harness.train.metrics import VideoScores, accuracies, unmirrored

Batch = dict[str, Tensor]


class NotANumberError(Exception):
    """The loss stopped being a number; the record says at which epoch."""


class Classifier(pl.LightningModule):
    """Trains a `TwoStream` network and keeps the scores of every video that it evaluates."""

    def __init__(self, network: TwoStream, train: Train, evaluation: Eval, steps: int) -> None:
        super().__init__()
        self.network = network
        self.settings = train
        self.evaluation = evaluation
        self.steps = steps
        self.separate = trains_separately(network, train)
        self.labels: Tensor = torch.empty(0, dtype=torch.long)  # of the videos under evaluation
        self.mirrored: Tensor = torch.empty(
            0, dtype=torch.long
        )  # the class that each class becomes
        self.scores: dict[str, VideoScores] = {}  # by head
        self.logged: dict[str, float] = {}  # the metrics of the epoch, as the record names them
        self.seconds_before = 0.0  # of the attempts that this training goes on from
        self._losses: list[Tensor] = []

    def configure_model(self) -> None:
        """What a strategy does to the network before the optimiser sees its weights."""
        shard = getattr(self.trainer.strategy, "shard", None)
        if shard is not None:
            shard([*self.network.streams.values(), self.network])

    def training_step(self, batch: Batch, _: int) -> Tensor:
        logits = self.network(batch)
        loss = self._loss(logits, batch)
        if "portion" in batch:  # the mean over ranks is then that over the samples of all
            loss = loss * batch["portion"]
        self._losses.append(loss.detach())
        return loss

    def _loss(self, logits: Batch, batch: Batch) -> Tensor:
        heads = ("spatial", "temporal") if self.separate else ("fused",)
        smoothing = self.settings.label_smoothing
        return torch.stack([mixed_loss(logits[head], batch, smoothing) for head in heads]).sum()

    def on_train_epoch_start(self) -> None:
        self._losses.clear()

    def epoch_metrics(self) -> dict[str, float]:
        """The metrics of the epoch that ends; NotANumberError if its loss was none."""
        loss = self.trainer.strategy.reduce(torch.stack(self._losses).mean()).item()
        if not isfinite(loss):
            raise NotANumberError(f"the loss is {loss} in epoch {self.current_epoch + 1}")
        self.logged["train/loss"] = loss
        return dict(self.logged)

    def evaluate_on(self, labels: Tensor, mirrored: Tensor) -> None:
        """Forget earlier scores and make room for those of the videos with these labels.

        `mirrored` is, for each class, that of a clip seen in a mirror.
        """
        average, classes = self.evaluation.average, len(mirrored)
        heads = self.network.heads_reported
        self.labels, self.mirrored = labels, mirrored.to(self.device)
        self.scores = {
            head: VideoScores(len(labels), classes, average).to(self.device) for head in heads
        }

    def validation_step(self, batch: Batch, _: int) -> None:
        for head, logits in self.network(batch).items():
            as_filmed = unmirrored(logits, batch["mirrored"], self.mirrored)
            self.scores[head].update(batch["video"], as_filmed)

    def on_validation_epoch_end(self) -> None:
        self.logged.update(self.summary("val"))
        self.log_dict(
            {k: v for k, v in self.logged.items() if k.startswith("val/")},
            sync_dist=self.trainer.world_size > 1,  # the same at every rank
        )
        for scores in self.scores.values():
            scores.reset()

    def test_step(self, batch: Batch, index: int) -> None:
        self.validation_step(batch, index)

    def summary(self, subset: str) -> dict[str, float]:
        """Metrics of the evaluated videos; streams with heads of their own are named in the key."""
        result: dict[str, float] = {}
        for head, scores in self.scores.items():
            prefix = subset if head == "fused" else f"{subset}/{head}"
            result |= accuracies(scores.compute().cpu(), self.labels, prefix)
        return result

    def configure_optimizers(self) -> Any:
        optimizer, schedule = self.settings.optimizer, self.settings.schedule
        built = OPTIMIZERS[optimizer.name](self.parameters(), **optimizer.options)
        scheduler = SCHEDULES[schedule.name](built, self.steps, **schedule.options)
        return {"optimizer": built, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}


def mixed_loss(logits: Tensor, batch: Batch, smoothing: float) -> Tensor:
    """The mean cross-entropy; a sample made of two is told both labels, each by its share."""

    def loss(label: str, reduction: str) -> Tensor:
        return F.cross_entropy(logits, batch[label], label_smoothing=smoothing, reduction=reduction)

    if "share" not in batch:
        return loss("label", "mean")
    share = batch["share"]
    return (share * loss("label", "none") + (1 - share) * loss("label_other", "none")).mean()


def trains_separately(network: TwoStream, train: Train) -> bool:
    """Whether each stream has its own loss, as score fusion was published."""
    if train.streams == "separate" and not network.trains_separately:
        raise UserError(
            "train.streams: separate needs a fusion of scores (average); streams that meet at a "
            "feature map are trained jointly"
        )
    return network.trains_separately and train.streams != "joint"
