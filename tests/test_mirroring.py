"""The mirror of a plan at work: what it holds, and what its death or W&B's does to trainings."""

import os
import signal
from collections import Counter

import pytest
from fake_wandb import KEY, served
from left_cells import cell, left, logged, mirrored
from mirrors import (
    BOARD,
    eventually,
    fill,
    mirrors_of,
    opened,
    plan_folder,
    services_of,
    tell,
)
from searches import Notes
from shapes import TINY, write

from harness.cell import Cell
from harness.coordination.launch import launch
from harness.mirror import watcher
from harness.mirror.marker import marker_of
from harness.places import Places
from harness.planning.plan import experiment_plan, sweep_plan
from harness.results.record import Record
from harness.settings import Settings

SWEEP = """
name: mirrored
arms: [tiny.yaml, {base: tiny.yaml, name: nan, set: {train.optimizer: {name: sgd, lr: 1e30}}}]
search:
  trials: 2
  sampler: {name: random, seed: 0}
  space: {train.label_smoothing: {float: [0.0, 0.2]}}
confirm: {top_k: 1, seeds: [1]}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mirrored")
    write(folder, "tiny.yaml", TINY)
    return folder


@pytest.fixture
def places(folder, tmp_path):
    return Places(data=(folder,), cache=folder / "cache", runs=tmp_path / "runs")


@pytest.fixture
def plan(tmp_path):
    return plan_folder(tmp_path)


def test_a_sweep_leaves_one_run_a_cell_that_equals_its_record(folder, places):
    plan = sweep_plan(write(folder, "mirrored.yaml", SWEEP))
    how = Settings(device="cpu", workers=2, media=("confusion", "clips"))
    notes = Notes()
    outcome = launch(plan, places, how, notes, board=lambda _: BOARD)
    runs = mirrored(places.runs / "mirrored")
    overview = runs.pop("mirrored-overview")[0]
    assert overview["summary"]["done"] == 3
    assert overview["summary"]["failed"] == 2
    assert overview["summary"]["board"]["nrows"] == 2
    assert runs.keys() == {f"mirrored-{record.key}" for record in outcome.records}
    for record in outcome.records:
        [found] = runs[f"mirrored-{record.key}"]
        assert_equal(found, record)
    scored = runs[f"mirrored-{outcome.records[0].key}"][0]["summary"]
    assert scored["val/confusion_table"]["ncols"] == 3
    assert scored["val/clips"]["count"] == 4
    assert {record.status for record in outcome.records} == {"done", "failed"}
    assert notes.notes == []


def assert_equal(found: dict, record: Record) -> None:
    assert found["config"] == record.config | {
        "seed": record.seed, "trial": record.trial, "key": record.key,
    }  # fmt: skip
    numbers = {k: v for k, v in (record.metrics | record.cost).items() if v is not None}
    assert {name: found["summary"].get(name) for name in numbers} == pytest.approx(numbers)
    assert found["summary"]["status"] == record.status
    assert found["state"] == ("failed" if record.status == "failed" else "finished")
    assert (found["run"]["run_group"], found["run"]["job_type"]) == (record.plan, record.stage)
    assert {record.arm, record.dataset, record.status} <= set(found["tags"])
    if record.status == "done":
        epochs = [step["epoch"] for step in found["steps"] if "epoch" in step]
        assert epochs == list(range(1, record.config["train"]["epochs"] + 1))


def test_killed_and_resumed_cells_have_each_epoch_once(plan):
    logged(plan, "k1", 1, 2)
    mirror, _ = opened(plan)
    with mirror:
        tell(mirror, left(plan, "k1", epochs=4))
        tell(mirror, left(plan, "k2", epochs=0, status="failed", reason="killed by signal 9"))
        tell(mirror, left(plan, "k3", status="pruned"))
        tell(mirror, left(plan, "k4", status="cancelled"))
    runs = mirrored(plan)
    assert [step["epoch"] for step in runs["left-k1"][0]["steps"]] == [1, 2, 3, 4]
    assert runs["left-k2"][0]["steps"] == []
    assert [runs[f"left-k{n}"][0]["exit_code"] for n in (1, 2, 3, 4)] == [0, 1, 0, 1]


def test_what_the_mirror_was_never_told_it_finds_at_the_end(plan):
    mirror, _ = opened(plan)
    with mirror:
        for number in range(3):
            left(plan, f"k{number}")
        tell(mirror, plan / "k0")
    assert mirrored(plan).keys() == {"left-k0", "left-k1", "left-k2"}


def test_when_its_sender_is_gone_it_writes_what_is_there_and_ends(plan):
    mirror, _ = opened(plan)
    tell(mirror, left(plan, "k1"))
    left(plan, "k2")
    eventually(lambda: mirrors_of(plan))
    mirror._to.close()
    mirror._from.close()
    assert mirror._process.wait() == 0
    assert mirrored(plan).keys() == {"left-k1", "left-k2"}


def test_a_full_disk_is_told_and_what_it_cut_short_is_written_again(small_disk):
    folder, _ = small_disk
    plan = folder / "left"
    for number in range(3):
        left(plan, f"k{number}")
    fill(folder / "filler")
    mirror, notes = opened(plan)
    with mirror:
        for number in range(3):
            tell(mirror, plan / f"k{number}")
    assert notes.notes[-1].endswith(
        "3 runs are missing there: `harness sync left` writes what is missing"
    )
    (folder / "filler").unlink()
    again, notes = opened(plan)
    with again:
        tell(again, plan / "k0")
    runs = mirrored(plan)
    assert runs.keys() == {"left-k0", "left-k1", "left-k2"}
    assert all(len(directories) == 1 for directories in runs.values())
    assert notes.notes == []


def test_a_mirror_that_is_killed_costs_nobody_anything(folder, places):
    class Kills(Notes):
        def started(self, cell):
            """The second cell: the first has been passed on to the mirror."""
            cells.append(cell)
            if len(cells) == 2:
                eventually(lambda: mirrors_of(places.runs / "tiny"))
                killed.extend(mirrors_of(places.runs / "tiny"))
                os.kill(killed[0], signal.SIGKILL)

    cells: list[Cell] = []
    killed: list[int] = []
    plan = experiment_plan(folder / "tiny.yaml", ["seeds=[0,1,2]", "train.epochs=1"])
    display = Kills()
    outcome = launch(plan, places, Settings(device="cpu"), display)
    assert [record.status for record in outcome.records] == ["done"] * 3
    assert len(killed) == 1
    [note] = display.notes
    assert note.startswith("W&B: its mirror ended with exit code -9; ")
    assert note.endswith("missing there: `harness sync tiny` writes what is missing")


def test_a_service_that_is_killed_is_started_again(plan):
    mirror, notes = opened(plan)
    with mirror:
        tell(mirror, left(plan, "k1"))
        eventually(lambda: marker_of(plan / "k1"))
        [service] = services_of(mirror._process.pid)
        os.kill(service, signal.SIGKILL)
        for number in range(2, 5):
            tell(mirror, left(plan, f"k{number}"))
    runs = mirrored(plan)
    assert runs.keys() == {"left-k1", "left-k2", "left-k3", "left-k4"}
    assert all(len(directories) == 1 for directories in runs.values())
    assert notes.notes == []


@pytest.fixture
def impatient(monkeypatch):
    """W&B is given two seconds for each thing."""
    monkeypatch.setattr(watcher, "PATIENCE", 2.0)
    monkeypatch.setenv("WANDB_API_KEY", KEY)


def test_unreachable_is_one_line_and_all_is_written_offline(folder, places, impatient, monkeypatch):
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    plan = experiment_plan(folder / "tiny.yaml", ["seeds=[0,1]", "train.epochs=1"])
    display = Notes()
    outcome = launch(plan, places, Settings(wandb="online", device="cpu", workers=2), display)
    assert [record.status for record in outcome.records] == ["done", "done"]
    [note] = display.notes
    assert note.endswith("runs are written offline from here, `harness sync` sends them")
    assert {len(found) for found in mirrored(places.runs / "tiny").values()} == {1}
    assert len(mirrored(places.runs / "tiny")) == 2


@pytest.mark.parametrize("behave", ["refuse", "hang"])
def test_a_server_that_is_ill_is_one_line_too(plan, impatient, monkeypatch, behave):
    with served(behave) as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        mirror, notes = opened(plan, "online")
        with mirror:
            for key in ("k1", "k2"):
                mirror.started(cell(key))
                tell(mirror, left(plan, key))
        assert server.asked
    assert len(notes.notes) == 1
    assert mirrored(plan).keys() == {"left-k1", "left-k2"}


def test_online_epochs_arrive_while_a_cell_trains(plan, monkeypatch):
    with served() as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        mirror, notes = opened(plan, "online")
        with mirror:
            mirror.started(cell("k1"))
            logged(plan, "k1", 1)
            mirror.progress(cell("k1"), {"epoch": 1})
            eventually(lambda: server.history("left-k1"))
            tell(mirror, left(plan, "k1"))
            mirror.board = lambda: BOARD
        assert notes.notes == []
        assert [step["epoch"] for step in server.history("left-k1")] == [1, 2, 3]
        assert server.summary("left-k1")["val/top1"] == 0.9
        assert server.ends["left-k1"] == [0]
        assert server.facts["left-k1"]["groupName"] == "left"
        assert server.facts["left-k1"]["tags"] == ["conv", "ucf101", "split 01", "done"]
        assert server.summary("left-overview")["done"] == 1
    assert marker_of(plan / "k1").sent


def test_online_a_resumed_cell_continues_its_run(plan, monkeypatch):
    with served() as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        stopped, _ = opened(plan, "online")
        with stopped:
            stopped.started(cell("k1"))
            logged(plan, "k1", 1, 2)
            stopped.progress(cell("k1"), {"epoch": 2})
        assert marker_of(plan / "k1") is None
        mirror, notes = opened(plan, "online")
        with mirror:
            mirror.started(cell("k1"))
            logged(plan, "k1", 2, 3)
            mirror.progress(cell("k1"), {"epoch": 3})
            tell(mirror, left(plan, "k1", epochs=4))
        assert notes.notes == []
        steps = [step["epoch"] for step in server.history("left-k1")]
        assert Counter(steps) == {1: 1, 2: 1, 3: 1, 4: 1}
        assert server.ends["left-k1"][-1] == 0
