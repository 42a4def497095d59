"""One run, from a YAML file to a record: what is stored, and that interruptions change nothing."""

import json

import numpy as np
import pytest
import torch
from shapes import TINY, write

from harness.config.document import Document
from harness.execute import execute
from harness.places import Places
from harness.planning.plan import experiment_plan
from harness.results.record import Record
from harness.results.store import load
from harness.settings import Settings
from harness.train.channel import GO, STOP, StoppedError

HOW = Settings(wandb="disabled", device="cpu")


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    """One cache of videos for all tests of this file."""
    folder = tmp_path_factory.mktemp("train")
    return folder, write(folder, "tiny.yaml", TINY)


def cell_in(workspace, runs, *overrides):
    folder, path = workspace
    places = Places(data=(folder,), cache=folder / "cache", runs=runs)
    return experiment_plan(path, overrides).cells(places)[0], places


def go_on(event, facts):
    return GO


def stop_after(epochs):
    """A channel that asks to stop once so many epochs are reported."""
    return lambda event, facts: STOP if event == "epoch" and facts["epoch"] >= epochs else GO


def trained(workspace, runs, *overrides) -> tuple[Record, dict]:
    cell, places = cell_in(workspace, runs, *overrides)
    record = execute(cell, places, HOW, go_on)
    folder = runs / cell.plan / cell.key
    weights = torch.load(folder / "last.ckpt", weights_only=True)["state_dict"]
    return record, weights


def test_a_run_leaves_a_record_with_all_that_a_reader_needs(workspace, tmp_path):
    record, _ = trained(workspace, tmp_path)
    folder = tmp_path / "tiny" / record.key
    assert load(folder / "record.json") == record
    assert record.status == "done"
    assert {"train/loss", "val/top1", "test/top1", "test/mean_class", "chance"} <= set(
        record.metrics
    )
    assert record.clips == {"train": 36, "val": 12, "test": 16, "quarantined": 0}
    assert record.cost["params"] > 1000
    assert record.cost["macs"] > 1e5
    assert record.kernels == {"spatial": "standard", "temporal": "standard"}
    assert record.command.startswith("harness run ")
    with np.load(folder / "scores.npz", allow_pickle=False) as scores:
        assert scores["test/logits"].shape == (16, 4)
        right = scores["test/logits"].argmax(1) == scores["test/labels"]
        assert right.mean() == pytest.approx(record.metrics["test/top1"])
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines if line["event"] == "epoch"] == [1, 2]


def test_what_is_recorded_is_not_trained_again(workspace, tmp_path):
    cell, places = cell_in(workspace, tmp_path)
    first = execute(cell, places, HOW, go_on)

    def never(event, facts):
        raise AssertionError("trained again")

    assert execute(cell, places, HOW, never) == first


@pytest.mark.parametrize(
    "change",
    [
        "train.optimizer=adamw",
        "train.optimizer={name: sgd, lr: 0.1}",
        "data.augment={crop: random_resized, distort: rand_augment, mix: mixup}",
        "model.spatial.conv={name: kernel, init: patches}",
    ],
)
def test_a_resumed_run_equals_an_uninterrupted_one_bit_for_bit(workspace, tmp_path, change):
    """Dropout draws from torch's generator, so its state must be in the checkpoint."""
    how = ["model.head.dropout=0.5", "train.epochs=4", change]
    whole, expected = trained(workspace, tmp_path / "whole", *how)
    cell, places = cell_in(workspace, tmp_path / "parts", *how)
    for epochs in (1, 2, 4):
        with pytest.raises(StoppedError):
            execute(cell, places, HOW, stop_after(epochs))
    resumed, weights = trained(workspace, tmp_path / "parts", *how)
    assert resumed.metrics == whole.metrics
    for name, tensor in expected.items():
        assert torch.equal(weights[name], tensor), name


@pytest.mark.parametrize("epoch", [1, 2])
def test_an_epoch_whose_report_was_lost_is_reported_on_resuming(workspace, tmp_path, epoch):
    """Killed between the checkpoint and its line in the log; the second is the last epoch."""
    expected = trained(workspace, tmp_path / "whole")[0]
    cell, places = cell_in(workspace, tmp_path / "parts")
    with pytest.raises(StoppedError):
        execute(cell, places, HOW, stop_after(epoch))
    log = tmp_path / "parts" / cell.plan / cell.key / "log.jsonl"
    lines = log.read_text().splitlines(keepends=True)
    log.write_text("".join(line for line in lines if f'"epoch": {epoch},' not in line))
    heard = []

    def listen(event, facts):
        heard.append(facts.get("epoch"))
        return GO

    record = execute(cell, places, HOW, listen)
    assert [number for number in heard if number] == [epoch, 2][: 3 - epoch]
    told = [json.loads(line) for line in log.read_text().splitlines()]
    assert [line["epoch"] for line in told if line["event"] == "epoch"] == [1, 2]
    assert record.metrics == expected.metrics


def test_the_time_of_a_resumed_training_is_that_of_all_its_parts(workspace, tmp_path):
    cell, places = cell_in(workspace, tmp_path, "train.epochs=3")
    with pytest.raises(StoppedError):
        execute(cell, places, HOW, stop_after(1))
    path = tmp_path / cell.plan / cell.key / "last.ckpt"
    kept = torch.load(path, weights_only=True)
    assert kept["seconds"] > 0
    torch.save(kept | {"seconds": 1000.0}, path)
    record = execute(cell, places, HOW, go_on)
    assert 1000 < record.cost["seconds/fit"] < record.seconds < 1100


def test_only_a_training_that_starts_anew_starts_from_data(workspace, tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr("harness.execute.initialise", lambda network, _: calls.append(network))
    cell, places = cell_in(workspace, tmp_path)
    with pytest.raises(StoppedError):
        execute(cell, places, HOW, stop_after(1))
    assert len(calls) == 1
    record, _ = trained(workspace, tmp_path)
    trained(workspace, tmp_path, f"train.init_from=tiny/{record.key}/last.ckpt")
    assert len(calls) == 1


def test_epochs_are_watched_in_one_view_and_the_end_is_scored_in_all(workspace, tmp_path):
    from harness.execute import _loaders
    from harness.models.build import network_of
    from harness.source import prepare_source

    cell, places = cell_in(workspace, tmp_path, "eval.views=3", "data.val={share: 0.3}")
    experiment = cell.experiment()
    source = prepare_source(experiment.data, places, workers=1, progress=lambda *_: None)
    network = network_of(experiment, len(source.classes), source.size(experiment.data))
    loaders = _loaders(cell, experiment, source, network)
    samples = {name: sum(len(b["label"]) for b in loaders[name]) for name in ("watch", "val")}
    assert samples["watch"] == len(source.subsets["val"]) > 0
    assert samples["val"] == 3 * samples["watch"]


def test_a_search_never_opens_the_test_split(workspace, tmp_path):
    folder, path = workspace
    task = experiment_plan(path).tasks[0]
    places = Places(data=(folder,), cache=folder / "cache", runs=tmp_path)
    record = execute(task.cell(places, "tiny", 0, trial=0, stage="search"), places, HOW, go_on)
    assert "val/top1" in record.metrics
    assert not [name for name in record.metrics if name.startswith("test/")]
    with np.load(tmp_path / "tiny" / record.key / "scores.npz") as scores:
        assert not [name for name in scores if name.startswith("test/")]


def test_score_fusion_trains_each_stream_as_if_it_were_alone(workspace, tmp_path):
    """Joint code, separate losses: the spatial stream's loss must not move the temporal one."""
    _, both = trained(workspace, tmp_path, "model.fusion=average", "train.epochs=1")
    record, joint = trained(
        workspace, tmp_path, "model.fusion=average", "train.epochs=1", "train.streams=joint"
    )
    changed = [name for name in both if not torch.equal(both[name], joint[name])]
    assert any(name.startswith("network.streams.spatial") for name in changed)
    assert {"test/spatial/top1", "test/temporal/top1"} <= set(record.metrics)


def test_a_loss_that_is_not_a_number_is_a_failure_with_its_epoch(workspace, tmp_path):
    from harness.train.module import NotANumberError

    cell, places = cell_in(workspace, tmp_path, "train.optimizer={name: sgd, lr: 1e30}")
    with pytest.raises(NotANumberError, match=r"the loss is \w+ in epoch [12]"):
        execute(cell, places, HOW, go_on)
    assert not (tmp_path / "tiny" / cell.key / "record.json").exists()


def test_a_record_holds_every_option_of_every_component(workspace, tmp_path):
    record, _ = trained(workspace, tmp_path)
    cell, _ = cell_in(workspace, tmp_path)
    assert "betas" not in cell.config["train"]["optimizer"]
    assert record.config["train"]["optimizer"]["betas"] == [0.9, 0.999]
    assert record.config["data"]["seed"] == 0
    assert record.key == cell.key == cell.written_out().key
    assert cell.written_out().experiment().data.split == cell.experiment().data.split


def test_weights_of_another_number_of_classes_are_refused(workspace, tmp_path):
    from harness.check import check
    from harness.errors import UserError

    record, _ = trained(workspace, tmp_path)
    start = f"train.init_from=tiny/{record.key}/last.ckpt"
    again, _ = trained(workspace, tmp_path, start)
    assert again.key != record.key
    cell, places = cell_in(workspace, tmp_path, start, "data.task=bind")
    message = r"does not fit this network: .* is \(4, \d+\), not \(2,"
    with pytest.raises(UserError, match=message):
        execute(cell, places, HOW, go_on)
    with pytest.raises(UserError, match=f"^cell {cell.key}: train.init_from: .*{message}"):
        check(cell.experiment(), Document({}, f"cell {cell.key}"), places)
