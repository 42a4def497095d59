"""Trainings of several processes: one training in all that can be seen of it."""

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from ranks import cell_in, led, log_of, record, source_of, weights, workspace_in

from harness.execute import _loaders
from harness.files import read_json_lines
from harness.models.build import network_of
from harness.parallel import STRATEGIES
from harness.train.channel import STOP, Verdict
from harness.train.module import Classifier
from harness.train.rank import Rank


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    return workspace_in(tmp_path_factory.mktemp("ranks"))


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_it_is_the_training_of_the_whole_batch_of_which_each_rank_computes_a_part(
    workspace, tmp_path, strategy
):
    """Worked out here in one process: batch normalisation sees a rank's own samples, the gradient
    is that of all, and running statistics are the first rank's. The last batch is uneven.
    """
    how = ["train.batch_size=7", "train.optimizer={name: sgd, lr: 0.05}"]
    how += ["model.spatial.conv=winograd"]  # weights in a layout of its own
    cell, places = cell_in(workspace, tmp_path, *how, f"train.parallel={strategy}")
    led(cell, places)
    network, metrics = by_hand(cell, places, ranks=2)
    trained = weights(cell, places)
    for name, tensor in network.state_dict().items():
        torch.testing.assert_close(trained[f"network.{name}"], tensor, rtol=1e-4, atol=1e-5)
    found = record(cell, places)
    assert found.metrics["train/loss"] == pytest.approx(metrics["train/loss"], rel=1e-4)
    with np.load(places.runs / cell.plan / cell.key / "scores.npz") as scores:
        np.testing.assert_allclose(scores["test/logits"], metrics["logits"], rtol=1e-3, atol=1e-4)
    assert found.env["devices"] == "2"
    assert found.cost["params"] == sum(p.numel() for p in network.parameters())
    assert found.cost["latency_ms_p50"] > 0


def by_hand(cell, places, ranks):
    """The same cell without torch.distributed."""
    experiment = cell.experiment()
    source = source_of(cell, places)
    pl.seed_everything(cell.seed, verbose=False)
    network = network_of(experiment, len(source.classes), source.size(experiment.data))
    parts = [_loaders(cell, experiment, source, network, Rank(n, ranks)) for n in range(ranks)]
    steps = experiment.train.epochs * len(parts[0]["train"])
    module = Classifier(network, experiment.train, experiment.eval, steps)
    built = module.configure_optimizers()
    optimizer, scheduler = built["optimizer"], built["lr_scheduler"]["scheduler"]
    for epoch in range(experiment.train.epochs):
        losses = []
        for part in parts:
            part["train"].epoch = lambda epoch=epoch: epoch
        module.train()
        for batches in zip(*(part["train"] for part in parts), strict=True):
            optimizer.zero_grad()
            before = [buffer.clone() for buffer in network.buffers()]
            for number, batch in reversed(list(enumerate(batches))):
                for buffer, value in zip(network.buffers(), before, strict=True):
                    buffer.copy_(value)
                loss = module._loss(network(batch), batch) * batch["portion"] / ranks
                loss.backward()
                losses.append(loss.detach())
                del number
            optimizer.step()
            scheduler.step()
    module.eval()
    whole = _loaders(cell, experiment, source, network)["test"]
    with torch.no_grad():
        logits = torch.cat([network(batch)["fused"].log_softmax(1) for batch in whole])
    mean = torch.stack(losses).sum().item() / len(parts[0]["train"])
    return network, {"train/loss": mean, "logits": logits.numpy()}


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_stopped_and_resumed_it_equals_one_that_was_not_bit_for_bit(workspace, tmp_path, strategy):
    """Dropout: each rank's generator is in the checkpoint. A stop reaches all ranks at once."""
    how = ["model.head.dropout=0.5", "train.epochs=3", f"train.parallel={strategy}"]
    whole, there = cell_in(workspace, tmp_path / "whole", *how)
    parts, here = cell_in(workspace, tmp_path / "parts", *how)
    assert led(whole, there) == led(parts, here, lambda _: STOP)  # ended with code 0
    led(parts, here)
    assert record(parts, here).metrics == record(whole, there).metrics
    for name, tensor in weights(whole, there).items():
        assert torch.equal(weights(parts, here)[name], tensor), name


def test_every_rank_drops_out_other_neurons(workspace, tmp_path):
    """Else two ranks of the same batch of two would learn as one of them alone."""
    from harness.execute import seed_of

    assert len({seed_of(3, Rank(number, 4)) for number in range(4)}) == 4
    assert seed_of(3, Rank()) == 3


def test_a_verdict_ends_all_ranks_with_one_record(workspace, tmp_path):
    cell, places = cell_in(workspace, tmp_path, "train.parallel=ddp", "train.epochs=3")
    led(cell, places, lambda _: Verdict("end", "pruned", "enough"))
    found = record(cell, places)
    assert (found.status, found.reason, found.cost["epochs"]) == ("pruned", "enough", 1.0)
    events = [line["event"] for line in read_json_lines(log_of(cell, places))]
    assert events == ["start", "data", "step", "epoch", "finish"]
