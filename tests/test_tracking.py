"""W&B as a mirror: what it holds, that it may fail, and when it is online."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from harness.train.tracking import Tracker, wandb_mode
from shapes import TINY, write

from harness.errors import UserError
from harness.places import Places
from harness.planning.launch import launch
from harness.planning.plan import sweep_plan
from harness.planning.watchers import Silent
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


def inspect(file: Path, *options: str) -> str:
    command = [str(Path(sys.executable).parent / "wandb"), "leet", "inspect", *options, "--json"]
    return subprocess.run([*command, str(file)], capture_output=True, text=True, check=True).stdout


def test_the_offline_files_of_a_sweep_hold_one_run_a_cell(tmp_path):
    write(tmp_path, "tiny.yaml", TINY)
    plan = sweep_plan(write(tmp_path, "mirrored.yaml", SWEEP))
    places = Places(data=(tmp_path,), cache=tmp_path / "cache", runs=tmp_path / "runs")
    outcome = launch(plan, places, Settings(wandb="offline", device="cpu", workers=2), Silent())
    files = list(places.runs.glob("mirrored/wandb/offline-run-*/run-*.wandb"))
    runs = {}
    for file in files:
        summary = json.loads(inspect(file, "--summary"))
        runs[summary["run_id"]] = (summary, inspect(file))
    assert len(files) == len(runs) == len(outcome.records)
    for record in outcome.records:
        summary, everything = runs[f"mirrored-{record.key}"]
        assert summary["config"]["train"] == record.config["train"]
        assert summary["config"]["seed"] == record.seed
        assert summary["summary"]["status"] == record.status
        for name, value in record.metrics.items():
            assert summary["summary"][name] == pytest.approx(value), name
        entries = [json.loads(line) for line in everything.splitlines()]
        run = next(entry["run"] for entry in entries if entry["type"] == "run")
        assert (run["run_group"], run["job_type"]) == ("mirrored", record.stage)
        assert record.arm in run["tags"]
        if record.status == "done":
            epochs = [e for e in entries if e["type"] == "history"]
            assert len(epochs) == record.config["train"]["epochs"]
    assert {record.status for record in outcome.records} == {"done", "failed"}


def test_its_failure_is_said_once_and_fails_nothing(tmp_path, caplog, monkeypatch):
    import wandb

    def unreachable(**_):
        raise ConnectionError("no route to host")

    monkeypatch.setattr(wandb, "init", unreachable)
    from test_train import HOW, cell_in, go_on

    from harness.execute import execute

    path = write(tmp_path, "tiny.yaml", TINY)
    cell, places = cell_in((tmp_path, path), tmp_path / "runs")
    record = execute(cell, places, Settings(wandb="online", device=HOW.device), go_on)
    assert record.status == "done"
    said = [r.getMessage() for r in caplog.records if "W&B" in r.getMessage()]
    assert said == ["W&B: no route to host; this run is not mirrored any further"]


def test_a_tracker_that_breaks_in_the_middle_stays_silent(caplog):
    class Broken:
        def log(self, *_, **__):
            raise BrokenPipeError("gone")

    tracker = Tracker.__new__(Tracker)
    tracker._run = Broken()
    for epoch in range(3):
        tracker.log({"val/top1": 0.5}, epoch)
    assert len(caplog.records) == 1


@pytest.mark.parametrize(
    ("environment", "mode"),
    [
        ({}, "offline"),
        ({"WANDB_API_KEY": "k" * 40}, "online"),
        ({"WANDB_API_KEY": "k" * 40, "WANDB_MODE": "disabled"}, "disabled"),
    ],
)
def test_online_is_for_those_who_are_logged_in(monkeypatch, tmp_path, environment, mode):
    for name in ("WANDB_API_KEY", "WANDB_MODE", "WANDB_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert wandb_mode("auto") == mode
    assert wandb_mode("offline") == "offline"
    with pytest.raises(UserError, match="did you mean 'online'"):
        wandb_mode("onlin")


def test_a_login_is_found_where_wandb_keeps_it(monkeypatch, tmp_path):
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.delenv("WANDB_MODE", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine api.wandb.ai\n  login user\n  password " + "k" * 40 + "\n")
    netrc.chmod(0o600)
    assert wandb_mode("auto") == "online"
