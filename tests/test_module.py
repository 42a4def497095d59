"""Losses of mixed samples and scores of mirrored ones."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from harness.config.experiment import Eval, Train
from harness.train.metrics import unmirrored
from harness.train.module import Classifier, mixed_loss

LOGITS = torch.tensor([[2.0, -1.0, 0.5], [0.1, 0.2, 0.3]], dtype=torch.float64)


def one_hot_loss(logits, targets, smoothing):
    """The cross-entropy with whole distributions as targets: an independent definition."""
    classes = logits.shape[1]
    smooth = targets * (1 - smoothing) + smoothing / classes
    return -(smooth * logits.log_softmax(1)).sum(1).mean()


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_a_mixed_sample_is_told_both_labels_each_by_its_share(smoothing):
    label, other = torch.tensor([0, 2]), torch.tensor([1, 1])
    share = torch.tensor([0.3, 0.9], dtype=torch.float64)
    batch = {"label": label, "label_other": other, "share": share}
    targets = share[:, None] * F.one_hot(label, 3) + (1 - share[:, None]) * F.one_hot(other, 3)
    expected = one_hot_loss(LOGITS, targets, smoothing)
    assert mixed_loss(LOGITS, batch, smoothing).item() == pytest.approx(expected.item())


def test_a_batch_that_is_not_mixed_has_the_plain_loss():
    batch = {"label": torch.tensor([0, 2])}
    assert torch.equal(
        mixed_loss(LOGITS, batch, 0.1), F.cross_entropy(LOGITS, batch["label"], label_smoothing=0.1)
    )


def test_scores_of_a_mirrored_view_are_read_for_the_classes_as_filmed():
    """Class 0 looks like 1 in a mirror, 1 like 2, 2 like 0."""
    read = unmirrored(LOGITS, torch.tensor([True, False]), torch.tensor([1, 2, 0]))
    assert read.tolist() == [[-1.0, 0.5, 2.0], [0.1, 0.2, 0.3]]


class Telling(nn.Module):
    """Sees whether it goes left (class 0) or right (class 1) in the batch itself."""

    heads_reported = ("fused",)
    trains_separately = False

    def forward(self, batch):
        return {"fused": 10.0 * F.one_hot(batch["direction"], 3)}


def test_a_video_is_recognised_by_its_mirrored_views_too():
    module = Classifier(Telling(), Train(), Eval(views=1, mirror=True), steps=1)
    labels = torch.tensor([0, 1, 2])
    module.evaluate_on(labels, torch.tensor([1, 0, 2]))
    video = torch.arange(3).repeat_interleave(2)
    mirrored = torch.tensor([False, True] * 3)
    seen = torch.tensor([0, 1, 1, 0, 2, 2])  # directions, the second of each pair in a mirror
    module.validation_step({"video": video, "mirrored": mirrored, "direction": seen}, 0)
    assert module.summary("test")["test/top1"] == 1.0
    assert module.scores["fused"].compute().argmax(1).tolist() == [0, 1, 2]
    assert module.scores["fused"].compute().exp().diagonal().min() > 0.99
