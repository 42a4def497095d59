"""Ranks that die, miss each other or are left alone: none stays, and the reason is known."""

import multiprocessing
import os
import signal
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from ranks import HOW, cell_in, led, log_of, planned, record, workspace_in
from shapes import write

from harness.cli.plan import notes
from harness.coordination.executors import crew
from harness.coordination.executors.local import Local
from harness.coordination.launch import launch
from harness.coordination.watchers import Silent
from harness.coordination.worker import train
from harness.files import DiskError, read_json_lines
from harness.planning.plan import sweep_plan
from harness.planning.searched import most_ranks
from harness.train import group
from harness.train.channel import GO, StoppedError
from harness.train.group import met
from harness.train.rank import Rank


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    return workspace_in(tmp_path_factory.mktemp("ranks"))


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


def test_the_meeting_stays_until_the_last_has_left(tmp_path):
    """torch signs a rank off in the meeting's file: if that went meanwhile, it waits for it."""
    two = crew.ranks(2)
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=meets, args=(rank, tmp_path)) for rank in two]
    for process in processes:
        process.start()
    processes[0].join(60)
    (tmp_path / "the first has left").touch()
    processes[1].join(60)
    assert [process.exitcode for process in processes] == [0, 0]
    assert not Path(two[0].meeting).parent.exists(), "who made it may be gone"


def meets(rank, folder):
    with met(rank, "cpu"):
        while not (rank.first or (folder / "the first has left").exists()):
            time.sleep(0.01)
        assert Path(rank.meeting).exists()


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
