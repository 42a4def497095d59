"""On clusters of one machine: what is lost in the middle of a sweep costs none of its cells.

Ray's nodes are real ones. Slurm's jobs are run by submitit's executor for this machine: all is as
on Slurm, but for Slurm itself.
"""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from servers import RayCluster, descendants
from shapes import TINY, write

from harness.coordination.executors.opening import open_executor
from harness.coordination.launch import launch
from harness.coordination.watchers import Silent
from harness.errors import UserError
from harness.places import Places
from harness.planning.plan import sweep_plan
from harness.results.store import load_all
from harness.settings import Settings, Site

SWEEP = """
name: spread
arms: [tiny.yaml]
set: {train.epochs: 20}
search:
  trials: %d
  sampler: {name: random, seed: 3}
  space: {train.optimizer.lr: {float: [1e-4, 1e-2], log: true}}
confirm: {top_k: %d, seeds: [7, 8]}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory, depth):
    """A sweep of 4 cells, or of 40."""
    folder = tmp_path_factory.mktemp("spread")
    write(folder, "tiny.yaml", TINY)
    write(folder, "sweep.yaml", SWEEP % depth((2, 1), (36, 2)))
    return folder


@pytest.fixture(scope="module")
def by_local(folder):
    places = Places(data=(folder,), cache=folder / "cache", runs=folder / "by_local")
    how = Settings(device="cpu", wandb="disabled", workers=2)
    launch(sweep_plan(folder / "sweep.yaml"), places, how, Silent())
    return cells(places.runs)


def cells(runs):
    return {r.key: (r.stage, r.trial, r.seed, r.status, r.metrics) for r in load_all(runs)}


def events(runs, event):
    logs = {log.parent.name: log.read_text() for log in runs.glob("*/*/log.jsonl")}
    return Counter({key: text.count(f'"event": "{event}"') for key, text in logs.items()})


def harness(folder, runs, *options, **how):
    command = [
        sys.executable, "-m", "harness", "sweep", str(folder / "sweep.yaml"), *options,
        "--device", "cpu", "--wandb", "disabled", "--cache", str(folder / "cache"),
        "--runs", str(runs),
    ]  # fmt: skip
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, **how)


@pytest.fixture
def cluster():
    cluster = RayCluster()
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.close()


@pytest.mark.slow
@pytest.mark.timeout(900)  # Ray takes its time to start
def test_a_node_that_is_lost_costs_no_cell(folder, by_local, cluster, tmp_path):
    second, runs = cluster.add(), tmp_path / "runs"
    where = ("--executor", "ray", "--address", cluster.address)
    sweep = harness(folder, runs, *where, env=cluster.environment)
    while len(+events(runs, "epoch")) < 2 and sweep.poll() is None:  # each node has a training
        time.sleep(0.05)
    cluster.kill(second)
    _, said = sweep.communicate()
    assert sweep.returncode == 0, said
    assert cells(runs) == by_local
    assert set(events(runs, "finish").values()) == {1}
    assert sum(events(runs, "died").values()) == 1
    assert "again: tiny" in said
    assert "preempted: " in said


def jobs(coordinator):
    """Of submitit: the processes that each look after a training."""
    lines = {pid: command_line(pid) for pid in descendants(coordinator.pid)}
    return [pid for pid, line in lines.items() if "submitit.core._submit" in line]


def command_line(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:  # it has ended
        return ""


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_jobs_that_must_leave_the_machine_cost_no_cell(folder, by_local, tmp_path):
    """One is asked to, as before a time limit; another is killed with all that it started."""
    runs = tmp_path / "runs"
    where = ("--executor", "slurm", "--slurm", "cluster=local", "--slurm", "partition=gpu")
    sweep = harness(folder, runs, *where, "--workers", "2")
    while len(+events(runs, "epoch")) < 2 and sweep.poll() is None:
        time.sleep(0.05)
    first, second = jobs(sweep)
    os.kill(first, signal.SIGUSR2)
    for pid in (*descendants(second), second):
        os.kill(pid, signal.SIGKILL)
    _, said = sweep.communicate()
    assert sweep.returncode == 0, said
    assert cells(runs) == by_local
    assert set(events(runs, "finish").values()) == {1}
    assert "preempted: asked to leave the machine (SIGUSR2)" in said
    assert "preempted: Slurm ended the job" in said, said
    assert sum(events(runs, "died").values()) == 2


def test_an_option_that_slurm_does_not_have_is_one_clear_line(tmp_path):
    site = Site(executor="slurm", options={"slurm": {"partion": "gpu"}})
    with pytest.raises(UserError, match="--slurm partion: did you mean 'partition'"):
        open_executor(site, Places(runs=tmp_path), Settings(), pytest.fail)
