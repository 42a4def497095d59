"""Trainings of several processes: one training in all that can be seen of it."""

import os
import re
import signal
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from shapes import TINY, write

from harness.check import check
from harness.cli.plan import notes
from harness.config.experiment import load_experiment
from harness.coordination.executors import crew
from harness.coordination.executors.contract import End
from harness.coordination.executors.local import Local
from harness.coordination.launch import launch
from harness.coordination.watchers import Silent
from harness.coordination.worker import train
from harness.errors import UserError
from harness.execute import _loaders
from harness.files import DiskError, read_json_lines
from harness.models.build import network_of
from harness.parallel import STRATEGIES
from harness.places import Places
from harness.planning.plan import experiment_plan, sweep_plan
from harness.planning.searched import most_ranks
from harness.results.store import load
from harness.settings import Settings
from harness.source import prepare_source
from harness.train import group
from harness.train.channel import GO, STOP, StoppedError, Verdict
from harness.train.group import met
from harness.train.module import Classifier
from harness.train.rank import Rank

HOW = Settings(wandb="disabled", device="cpu")


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    """One cache of videos for all tests of this file."""
    folder = tmp_path_factory.mktemp("parallel")
    given = folder, write(folder, "tiny.yaml", TINY)
    source_of(*cell_in(given, folder / "runs"))
    return given


def planned(workspace, runs, *overrides):
    folder, path = workspace
    return experiment_plan(path, overrides), Places(
        data=(folder,), cache=folder / "cache", runs=runs
    )


def cell_in(workspace, runs, *overrides):
    plan, places = planned(workspace, runs, *overrides)
    return plan.cells(places)[0], places


def source_of(cell, places):
    data = cell.experiment().data
    return prepare_source(data, places, workers=1, progress=lambda *_: None)


def led(cell, places, judge=lambda _: GO, happens=lambda _: None) -> str:
    """A training on this machine to its end, which is told; `judge` answers every epoch."""
    local = Local(places, HOW)
    local.start(cell)
    while True:
        for event in local.events(60.0):
            if isinstance(event, End):
                return event.death
            happens(local)
            if event.event == "epoch":
                local.answer(cell.key, judge(event.facts))


def weights(cell, places) -> dict[str, torch.Tensor]:
    path = places.runs / cell.plan / cell.key / "last.ckpt"
    return torch.load(path, weights_only=True)["state_dict"]


def record(cell, places):
    return load(places.runs / cell.plan / cell.key / "record.json")


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


@pytest.mark.parametrize("victim", [0, 1])
def test_a_rank_that_is_killed_takes_the_others_along_and_nothing_else(workspace, tmp_path, victim):
    cell, places = cell_in(workspace, tmp_path, "train.parallel=ddp", "train.epochs=4")
    processes = []

    def kill(local):
        started = local._workers[cell.key]
        if not processes:
            processes.extend(started.processes)
            os.kill(started.processes[victim].pid, signal.SIGKILL)

    assert led(cell, places, happens=kill) == "preempted: killed by signal 9 (SIGKILL)"
    assert not any(process.is_alive() for process in processes)
    log = read_json_lines(log_of(cell, places))
    assert "died" not in [line["event"] for line in log], "only the killed one has a reason"
    led(cell, places)
    assert record(cell, places).status == "done"


def test_a_failure_of_all_ranks_is_one_failure(workspace, tmp_path):
    how = ["train.optimizer={name: sgd, lr: 1e30}", "train.parallel=ddp"]
    plan, places = planned(workspace, tmp_path, *how)
    outcome = launch(plan, places, HOW, Silent())
    [failed] = outcome.failed
    assert failed.reason.startswith("nan: the loss is nan in epoch 1")
    log = read_json_lines(tmp_path / "tiny" / failed.key / "log.jsonl")
    assert len({line.get("ranks") for line in log if line["event"] == "died"}) == 1


def test_ranks_whose_coordinator_is_gone_leave(workspace, tmp_path):
    cell, places = cell_in(workspace, tmp_path, "train.parallel=ddp", "train.epochs=50")
    local = Local(places, HOW)
    local.start(cell)
    started = local._workers[cell.key]
    processes = started.processes
    assert local.events(60.0)
    local._workers[cell.key].pipe.close()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0]
    assert not Path(started.meeting).parent.exists(), "who made it may be gone"


def test_a_rank_waits_for_others_as_long_as_its_starter_lives(tmp_path, monkeypatch):
    """The first may have to wait for a lock; nobody else ever comes if the starter was killed."""
    alive = iter([True, True, True, False])
    starter = SimpleNamespace(is_alive=lambda: next(alive))
    monkeypatch.setattr(group.multiprocessing, "parent_process", lambda: starter)
    [first, second] = crew.ranks(2)
    with pytest.raises(StoppedError), met(second, "cpu"):
        pytest.fail("the first has not come")
    assert next(alive, None) is None
    assert not Path(first.meeting).parent.exists()
    with pytest.raises(StoppedError), met(first, "cpu"):
        pytest.fail("the second has left")


def test_ranks_that_do_not_leave_are_killed_and_leave_nothing(workspace, tmp_path):
    cell, places = cell_in(workspace, tmp_path, "train.parallel=ddp")
    local = Local(places, HOW)
    local.start(cell)
    ranks = local._workers[cell.key]
    local.kill(cell.key)  # nobody waits for the end, as in leaving a plan
    assert not Path(ranks.meeting).parent.exists()


def test_ranks_that_all_miss_each_other_leave_their_traceback(workspace, tmp_path, monkeypatch):
    def execute(*_):
        raise RuntimeError("[gloo/transport/tcp/pair.cc:1] no route to host")

    monkeypatch.setattr("harness.execute.execute", execute)
    cell, places = cell_in(workspace, tmp_path, "train.parallel=ddp")
    log_of(cell, places).parent.mkdir(parents=True)
    assert train(cell, places, HOW, lambda *_: GO, Rank(1, 2, "here")) == 1
    assert "no route to host" in log_of(cell, places).with_name("error.txt").read_text()
    assert not log_of(cell, places).exists()


def test_a_search_counts_the_ranks_of_its_choices(workspace):
    folder, _ = workspace
    text = "{trials: 2, space: {train.parallel.ranks: {int: [2, 5]}}}"
    file = f"name: s\narms: [tiny.yaml]\nset: {{train.parallel: ddp}}\nsearch: {text}\n"
    plan = sweep_plan(write(folder, "s.yaml", file))
    assert most_ranks(plan.tasks, plan.space) == 5
    assert notes(plan, [])[-2:] == (
        "tiny: each training takes 2 processes",
        "a training of the search takes up to 5 processes",
    )


def test_a_rank_that_finds_the_disk_full_is_missed(workspace, tmp_path, monkeypatch):
    """The first would wait for one that left as if it had nothing left to do."""

    def execute(*_):
        raise DiskError("full")

    monkeypatch.setattr("harness.execute.execute", execute)
    cell, places = cell_in(workspace, tmp_path, "train.parallel=ddp")
    assert [train(cell, places, HOW, lambda *_: GO, Rank(n, 2, "")) for n in range(2)] == [0, 1]


def log_of(cell, places):
    return places.runs / cell.plan / cell.key / "log.jsonl"


@pytest.mark.parametrize("mix", ["none", "mixup"])
@pytest.mark.parametrize(("batch_size", "ranks"), [(12, 2), (7, 2), (12, 3), (35, 4)])
def test_the_shares_of_a_batch_are_the_batch(workspace, tmp_path, mix, batch_size, ranks):
    how = [f"train.batch_size={batch_size}", f"data.augment.mix={mix}", "eval.views=3"]
    cell, places = cell_in(workspace, tmp_path, *how)
    experiment = cell.experiment()
    source = source_of(cell, places)
    network = network_of(experiment, len(source.classes), source.size(experiment.data))
    parts = [_loaders(cell, experiment, source, network, Rank(n, ranks)) for n in range(ranks)]
    whole = _loaders(cell, experiment, source, network)
    for subset in ("train", "val", "test", "watch"):
        all_of_it = joined(list(whole[subset]))
        least = 2 if subset == "train" else 1
        shared = []
        for shares in zip(*(part[subset] for part in parts), strict=True):
            sizes = [len(share["label"]) for share in shares]
            assert least <= min(sizes) <= max(sizes) <= min(sizes) + 1
            portions = [share.pop("portion").item() for share in shares]
            assert portions == pytest.approx([ranks * size / sum(sizes) for size in sizes])
            shared.append(interleaved(shares))
        if mix == "none" or len(shared) == len(list(whole[subset])):
            again = joined(shared)
            for name, tensor in all_of_it.items():
                assert torch.equal(again[name], tensor), (subset, name)


def interleaved(shares):
    """The batch of which the n-th of k ranks has every k-th sample from the n-th on."""
    total = sum(len(share["label"]) for share in shares)
    batch = {name: tensor.new_empty(total, *tensor.shape[1:]) for name, tensor in shares[0].items()}
    for number, share in enumerate(shares):
        for name, tensor in share.items():
            batch[name][number :: len(shares)] = tensor
    return batch


def joined(batches):
    return {name: torch.cat([batch[name] for batch in batches]) for name in batches[0]}


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("train.parallel=dpp", "no strategy named 'dpp'; did you mean 'ddp'?"),
        ("train.parallel={name: ddp, ranks: 1}", "ranks: must be at least 2, got 1"),
        ("train.parallel={name: ddp, rank: 3}", "no such option; did you mean 'ranks'?"),
        ("train.parallel={name: ddp, ranks: two}", "parallel: ranks: expected int, got 'two'"),
        ("train.parallel={name: fsdp, ranks: 7}", "12 samples are less than two for each of 7"),
        (
            "train={batch_size: 40, parallel: {name: ddp, ranks: 17}}",
            "12 videos to test on are too few for 17 ranks, which need one each",
        ),
    ],
)
def test_bad_input_is_refused_before_anything_is_trained(workspace, tmp_path, override, said):
    folder, path = workspace
    with pytest.raises(UserError, match=rf"^\S+.* train\.\w+.*{re.escape(said)}"):
        check(
            *load_experiment(path, [override]),
            Places(data=(folder,), cache=folder / "cache", runs=tmp_path),
        )


def test_a_training_in_one_process_has_the_key_that_it_always_had(workspace, tmp_path):
    """Records from before there were ranks stand."""
    cell, _ = cell_in(workspace, tmp_path)
    assert "parallel" not in cell.config["train"]
    assert cell_in(workspace, tmp_path, "train.parallel=null")[0].key == cell.key
    assert cell_in(workspace, tmp_path, "train.parallel=ddp")[0].key != cell.key
