"""From clip scores to video scores, and from those to the metrics of a table.

A video's score is the mean over its views (papers: 25 frames x 10 crops, NIPS 2014; N clips x 3
crops later), of probabilities or of logits as the experiment says. Metrics always name their
average: `top1` and `top5` are micro (every video counts the same), `mean_class` is macro.
"""

from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.functional.classification import multiclass_accuracy


class VideoScores(Metric):
    """The sum of every video's view scores; `compute` gives (videos, classes) log-scores."""

    full_state_update = False
    total: Tensor
    views: Tensor

    def __init__(self, videos: int, classes: int, average: str) -> None:
        super().__init__()
        self.average = average
        zeros = torch.zeros(videos, classes, dtype=torch.float64)
        self.add_state("total", zeros, dist_reduce_fx="sum")
        self.add_state("views", zeros[:, 0].clone(), dist_reduce_fx="sum")

    def update(self, video: Int[Tensor, " batch"], logits: Float[Tensor, "batch classes"]) -> None:
        scores = logits.double()
        if self.average == "probabilities":
            scores = scores.softmax(dim=1)
        self.total.index_add_(0, video, scores)
        self.views.index_add_(0, video, torch.ones_like(video, dtype=torch.float64))

    def compute(self) -> Float[Tensor, "videos classes"]:
        mean = self.total / self.views[:, None]
        return mean.log() if self.average == "probabilities" else mean


def unmirrored(
    logits: Float[Tensor, "batch classes"],
    seen_in_mirror: Bool[Tensor, " batch"],
    mirrored: Int[Tensor, " classes"],
) -> Float[Tensor, "batch classes"]:
    """The scores that mirrored views give to the classes of the videos as they were filmed.

    A video of class c looks in the mirror like one of class `mirrored[c]`.
    """
    return torch.where(seen_in_mirror[:, None], logits[:, mirrored], logits)


def accuracies(
    scores: Float[Tensor, "videos classes"], labels: Int[Tensor, " videos"], prefix: str
) -> dict[str, float]:
    """Shares in 0..1; top-5 only where there are more than five classes."""
    classes = scores.shape[1]

    def accuracy(average: Literal["micro", "macro"], k: int) -> float:
        return multiclass_accuracy(scores, labels, classes, average=average, top_k=k).item()

    result = {f"{prefix}/top1": accuracy("micro", 1), f"{prefix}/mean_class": accuracy("macro", 1)}
    if classes > 5:
        result[f"{prefix}/top5"] = accuracy("micro", 5)
    return result
