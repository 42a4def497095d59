"""`harness sync`: completes what a mirror left undone, sends it once, and says what it cannot."""

import os
import shutil
import signal
from pathlib import Path

import pytest
from fake_wandb import served
from filelock import FileLock
from left_cells import left, mirrored
from test_mirroring import eventually, mirrors_of, opened, tell

from harness.mirror import sync
from harness.mirror.marker import LOCK, NAME, marker_of
from harness.results.store import set_aside


@pytest.fixture
def plan(here, monkeypatch, tmp_path):
    """The folder of a plan below ./runs, and a user who is not logged in."""
    for name in ("WANDB_API_KEY", "WANDB_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    place = Path("runs/left")
    place.mkdir(parents=True)
    return place


def log_in(server, monkeypatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "online")
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)


def one_each(plan: Path) -> set[str]:
    runs = mirrored(plan)
    assert all(len(directories) == 1 for directories in runs.values())
    assert all(directories[0]["state"] != "running" for directories in runs.values())
    return {name.removeprefix("left-") for name in runs}


def test_it_writes_what_is_missing_and_the_second_time_nothing(here, plan):
    left(plan, "k1")
    left(plan, "k2", epochs=0, status="failed", reason="killed by signal 9")
    said = here("sync", "--dry-run").stderr
    assert "left: would write k1" in said
    later = "3 to send later: not logged in to W&B; `wandb login`, then `harness sync`"
    assert said.splitlines()[-1] == f"left: 2 to write, {later}"
    assert not list(plan.rglob("*.wandb"))
    done = here("sync")
    assert done.returncode == 0
    assert "left: 2 written, 0 sent" in done.stderr
    assert "nothing was sent: not logged in to W&B; `wandb login`" in done.stderr
    assert one_each(plan) == {"k1", "k2", "overview"}
    before = {path: path.stat().st_mtime_ns for path in plan.rglob("*.wandb")}
    assert "left: 0 written, 0 sent" in here("sync", "left").stderr
    assert here("sync", "--dry-run").stderr == f"left: 0 to write, {later}\n"
    assert {path: path.stat().st_mtime_ns for path in plan.rglob("*.wandb")} == before


def test_what_changed_or_was_deleted_is_written_again(here, plan):
    left(plan, "k1")
    left(plan, "k2")
    here("sync")
    set_aside(plan / "k1")
    left(plan, "k1", status="failed", reason="the second time it failed")
    shutil.rmtree(plan / marker_of(plan / "k2").directory)
    assert "left: 2 written" in here("sync").stderr
    assert one_each(plan) == {"k1", "k2", "overview"}
    runs = mirrored(plan)
    assert runs["left-k1"][0]["summary"]["status"] == "failed"
    assert runs["left-overview"][0]["summary"]["failed"] == 1


def test_it_completes_what_a_killed_mirror_left(here, plan):
    mirror, _ = opened(plan)
    with mirror:
        folders = [left(plan, f"k{number}") for number in range(8)]
        for folder in folders:
            tell(mirror, folder)
        eventually(lambda: list(plan.rglob("run-*.wandb")))
        for pid in mirrors_of(plan):
            os.kill(pid, signal.SIGKILL)
    half = plan / "wandb" / "offline-run-20260101_000000-left-k7"  # whatever the kill spared
    half.mkdir()
    (half / "run-left-k7.wandb").write_bytes(b"half")
    assert here("sync").returncode == 0
    assert one_each(plan) == {f"k{number}" for number in range(8)} | {"overview"}


def test_it_sends_what_was_never_sent_and_only_that(here, plan, monkeypatch):
    left(plan, "k1")
    here("sync")
    with served() as server:
        log_in(server, monkeypatch)
        left(plan, "k2")
        told = here("sync", "--dry-run").stderr
        assert {f"left: would send {name}" for name in ("k1", "k2", "its overview")} < {
            *told.splitlines()
        }
        assert "left: 1 to write, 3 to send\n" in told
        assert "left: 1 written, 3 sent" in here("sync").stderr
        assert [step["epoch"] for step in server.history("left-k2")] == [1, 2, 3]
        assert server.summary("left-k1")["val/top1"] == 0.9
        assert server.facts["left-overview"]["jobType"] == "overview"
        assert all(marker_of(folder).sent for folder in (plan, plan / "k1", plan / "k2"))
        asked = server.asked
        shutil.rmtree(plan / "wandb")  # as `wandb clean` does with what was sent
        assert "left: 0 written, 0 sent" in here("sync").stderr
        assert server.asked == asked


def test_a_server_that_refuses_is_one_line_and_exit_code_1(here, plan, monkeypatch):
    left(plan, "k1")
    monkeypatch.setattr(sync, "RETRIES", {})
    with served("refuse") as server:
        log_in(server, monkeypatch)
        done = here("sync")
    assert done.returncode == 1
    assert "left: 1 written, 0 sent" in done.stderr
    assert "left: 2 could not be sent: " in done.stderr
    assert "giving up after 2 attempt(s)" in done.stderr


def test_a_server_that_hangs_is_given_up(here, plan, monkeypatch):
    left(plan, "k1")
    monkeypatch.setattr(sync, "SECONDS_PER_RUN", 1.0)
    with served("hang") as server:
        log_in(server, monkeypatch)
        done = here("sync")
    assert done.returncode == 1
    assert "could not be sent: no answer for 3 s" in done.stderr


def test_a_damaged_record_is_named_and_the_others_are_written(here, plan):
    left(plan, "k1")
    damaged = left(plan, "k2") / "record.json"
    damaged.write_text(damaged.read_text()[:100])
    (left(plan, "k3") / NAME).write_text("{")
    done = here("sync")
    assert done.returncode == 1
    assert f"W&B: {damaged}: not a readable record" in done.stderr
    assert "left: 2 written" in done.stderr
    assert one_each(plan) == {"k1", "k3", "overview"}


def test_who_asked_to_be_offline_stays_so(here, plan, monkeypatch):
    left(plan, "k1")
    with served() as server:
        log_in(server, monkeypatch)
        monkeypatch.setenv("WANDB_MODE", "offline")
        assert "nothing was sent: unset WANDB_MODE" in here("sync").stderr
        assert not server.asked


def test_a_plan_at_work_is_left_alone(here, plan):
    left(plan, "k1")
    with FileLock(plan / LOCK):
        done = here("sync")
    assert done.returncode == 0
    assert "left: left alone; it is at work" in done.stderr
    assert not (plan / "wandb").exists()


def test_a_plan_that_is_not_there_is_a_user_error(here, plan):
    left(plan, "k1")
    done = here("sync", "lefd")
    assert done.returncode == 2
    assert "no plan 'lefd' in runs: did you mean 'left'?" in done.stderr
