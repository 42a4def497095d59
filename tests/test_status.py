"""Plans seen from their files: status, retry, cancel, and the refusal of a plan that changed."""

import json
import os
import platform
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import ClassVar

import pytest
from searches import trials_in
from toy_launch import Unasked

from harness import files
from harness.cli import app
from harness.coordination import lock, status
from harness.coordination.executors.contract import Report
from harness.coordination.lock import at_work, owned
from harness.coordination.planlog import PlanLog
from harness.coordination.status import Statuses
from harness.files import append_line, read_json_lines
from harness.results.store import load_all


def rows(toy_here, *words):
    return json.loads(toy_here("status", *words, "--format", "json").stdout)


def fails(cell, _epoch):
    return "nan: the loss is nan" if cell.arm == "other" else None


def test_a_plan_that_ended_is_counted_by_arm(toy_here, tmp_path):
    assert toy_here("sweep", "pair.yaml", dies=fails).returncode == 1
    found = {row["arm"]: row for row in rows(toy_here)}
    facts = ("done", "failed", "running", "waiting", "failures", "state")
    assert [found["good"][f] for f in facts] == [2, 0, 0, 0, "", "finished"]
    assert [found["other"][f] for f in facts] == [0, 2, 0, 0, "2 nan", "finished"]
    records = load_all(tmp_path / "runs")
    assert found["good"]["best"] == max(r.metrics["val/top1"] for r in records if r.arm == "good")
    events = [line["event"] for line in read_json_lines(tmp_path / "runs/pair/plan.jsonl")]
    assert [*events[:2], events[-1]] == ["launched", "planned", "left"]
    assert Counter(events[2:-1]) == {"started": 4, "ended": 4}
    told = toy_here("status", "pair", "--format", "md").stdout
    assert "- pair: finished: 4 of 4 cells, best by val/top1" in told


def test_without_a_value_to_compare_by_none_is_named(toy_here):
    toy_here("sweep", "pair.yaml", measure=lambda *_: {"test/top1": 0.5})
    told = toy_here("status", "pair", "--format", "md").stdout
    assert told.splitlines()[-1] == "- pair: finished: 4 of 4 cells"
    assert "best" not in told


def test_why_a_plan_stopped_is_a_line_of_its_own(toy_here):
    done = toy_here("sweep", "search.yaml", measure=lambda *_: {"train/loss": 0.5})
    told = toy_here("status", "--format", "md").stdout.splitlines()[-2:]
    why = done.stderr.splitlines()[-1].removeprefix("harness: ")
    assert "'val/top1' was not measured" in why
    assert told == ["- search: stopped: 0 of 7 cells", f"- search: stopped by: {why}"]


def test_where_there_is_nothing_a_line_says_what_there_is_not(toy_here):
    for words, told in {
        ("runs",): "no run is recorded here yet",
        ("status",): "no plan was launched here yet",
        ("status", "--cells"): "no cell is at work",
        ("gc",): "there is nothing to remove",
    }.items():
        assert toy_here(*words).stdout == f"{told}\n"
        assert toy_here(*words, "--format", "json").stdout == "[]\n"


class Watched(Unasked):
    """Looks at the status when the third cell starts."""

    seen: ClassVar = []

    def start(self, cell):
        super().start(cell)
        if len(self.started) == 3:
            self.seen[:] = Statuses(self.runs).of()


def test_a_plan_at_work_is_seen_with_its_running_cells(toy_here):
    toy_here("sweep", "pair.yaml", "--workers", "2", executor=Watched, epochs=2)
    [plan] = Watched.seen
    assert plan.working
    assert plan.launch["pid"] == os.getpid()
    assert plan.launch["command"] == "harness sweep pair.yaml --workers 2"
    assert {arm.place[0]: (arm.counts.total(), arm.running) for arm in plan.arms} == {
        "good": (1, 1), "other": (0, 1),
    }  # fmt: skip
    assert sum(arm.waiting for arm in plan.arms) == 1
    assert {(cell.epoch, cell.epochs) for cell in plan.running} <= {(0, 2), (1, 2), (2, 2)}
    assert plan.per_hour > 0
    assert plan.seconds_left > 0


def test_a_coordinator_that_was_killed_is_not_at_work(tmp_path, toy_here):
    toy_here("sweep", "pair.yaml")
    log = tmp_path / "runs/pair/plan.jsonl"
    lines = log.read_text().splitlines(keepends=True)
    log.write_text("".join(lines[:-1]))  # it did not leave
    assert rows(toy_here)[0]["state"] == "gone without a word (killed?)"


def test_a_launch_that_was_refused_is_not_the_state(toy_here, tmp_path):
    toy_here("sweep", "pair.yaml", dies=fails)
    (tmp_path / "pair.yaml").write_text(
        (tmp_path / "pair.yaml").read_text() + "set: {eval.views: 2}\n"
    )
    for _ in range(2):
        assert toy_here("sweep", "pair.yaml", "--workers", "1").returncode == 2
    assert {row["state"] for row in rows(toy_here)} == {"finished"}
    done = toy_here("retry", "pair", "--failed")
    assert "to train them again: harness sweep pair.yaml\n" in done.stderr
    (tmp_path / "runs/pair/plan.jsonl").unlink()
    toy_here("sweep", "pair.yaml")  # there is no other
    assert rows(toy_here)[0]["state"].startswith("pair.yaml: the plan is no longer the one")


def step(number):
    return {"event": "step", "step": number, "steps": 40}


def epoch(number):
    return {"event": "epoch", "epoch": number}


@pytest.mark.parametrize(
    ("log", "heard", "whole", "shown"),
    [
        ([], {}, 0, None),
        ([step(1), epoch(1), epoch(2)], {"step": 25, "steps": 40}, 2, 25),
        ([step(1), epoch(1), epoch(2)], {"step": 20, "steps": 40}, 2, 20),
        ([step(1), epoch(1), epoch(2)], {"step": 15, "steps": 40}, 2, None),  # heard before
        (
            [step(1), epoch(1), epoch(2), step(1)],
            {"step": 25, "steps": 40},
            0,
            None,
        ),  # from scratch
        ([step(1), epoch(1), epoch(2), step(1)], {"step": 3, "steps": 40}, 0, 3),
        ([step(1), epoch(1), epoch(2), step(21)], {"step": 25, "steps": 40}, 2, 25),  # gone on
        ([step(1), epoch(1), epoch(2), step(11), epoch(2)], {"step": 35, "steps": 40}, 2, None),
    ],
)
def test_steps_and_epochs_are_of_one_attempt(log, heard, whole, shown):
    assert status._epoch(log, 4) == whole
    assert status._steps(heard, whole, 4).get("step") == shown


def test_on_another_host_signs_of_life_count(tmp_path):
    folder = tmp_path / "plan"
    folder.mkdir()
    log = PlanLog(folder)
    append_line(
        folder / "plan.jsonl", {"event": "launched", "host": "elsewhere", "pid": 1, "at": 0}
    )
    log.sign()
    assert at_work(folder)
    long_ago = datetime.now(UTC).timestamp() - lock.SECONDS_OF_SILENCE - 1
    for name in ("alive.json", "plan.jsonl"):
        os.utime(folder / name, (long_ago, long_ago))
    assert not at_work(folder)


def test_a_second_coordinator_is_told_who_is_the_first(tmp_path, toy_here):
    folder = tmp_path / "runs" / "pair"
    with owned(folder, "pair"):
        PlanLog(folder).write("launched", command="x", pid=os.getpid(), host=platform.node())
        done = toy_here("sweep", "pair.yaml")
    assert done.returncode == 2
    who = f"pid {os.getpid()} on {platform.node()} since 20"
    assert f"pair: another harness process is at work on runs/pair: {who}" in done.stderr
    assert "`harness cancel pair` ends it" in done.stderr


def test_a_clock_set_back_changes_no_rate_and_no_order(toy_here, tmp_path, monkeypatch):
    class Back(datetime):
        moments = iter(range(10**6))

        @classmethod
        def now(cls, tz=None):
            return datetime(2026, 1, 1, tzinfo=tz) - timedelta(hours=next(cls.moments))

    monkeypatch.setattr(files, "datetime", Back)
    toy_here("sweep", "pair.yaml", executor=Watched)
    lines = read_json_lines(tmp_path / "runs/pair/plan.jsonl")
    assert lines[0]["time"] > lines[-1]["time"]
    assert [line["at"] for line in lines] == sorted(line["at"] for line in lines)
    assert Watched.seen[0].per_hour > 0
    assert Watched.seen[0].seconds_left > 0
    assert {row["state"] for row in rows(toy_here)} == {"finished"}


def test_failed_cells_of_a_class_are_retried_and_others_are_not(toy_here, tmp_path):
    deaths = {"good": "oom: 3 GB asked for", "other": "nan: the loss is nan"}
    toy_here("sweep", "pair.yaml", dies=lambda cell, _: deaths[cell.arm])
    done = toy_here("retry", "pair", "--failed", "--where", "reason=oom", "--format", "csv")
    assert done.returncode == 0
    assert done.stdout.count(",good,") == 2
    assert "2 set aside; to train them again: harness sweep pair.yaml" in done.stderr
    assert [row["waiting"] for row in rows(toy_here)] == [2, 0]
    told = toy_here("status", "--format", "md").stdout
    assert "- pair: to be launched again: 2 of 4 cells" in told
    assert "2 done, 2 failed, 2 trained now" in toy_here("sweep", "pair.yaml").stderr
    assert "none matches" in toy_here("retry", "pair", "--failed", "--where", "seed=9").stderr
    assert {row["state"] for row in rows(toy_here)} == {"finished"}
    assert len(list(tmp_path.glob("runs/pair/*.old-1/record.json"))) == 2


def test_a_trial_of_a_search_is_retried_under_its_number(toy_here, tmp_path):
    """Its study takes the new value, though a failed trial cannot be told again."""
    first = toy_here("sweep", "search.yaml", dies=lambda c, _: "bug: x" if c.trial == 2 else None)
    assert first.returncode == 1
    trials = {r.trial: r for r in load_all(tmp_path / "runs") if r.stage == "search"}
    assert trials[2].status == "failed"
    toy_here("retry", "search", "--failed", "--where", "trial=2")
    done = toy_here("sweep", "search.yaml")
    assert done.returncode == 0, done.stderr
    again = {r.trial: r for r in load_all(tmp_path / "runs") if r.stage == "search"}
    assert Counter(r.status for r in again.values()) == {"done": 5}
    assert {n: r.key for n, r in again.items()} == {n: r.key for n, r in trials.items()}
    assert states(tmp_path / "runs/search") == {
        n: ("COMPLETE", r.metrics["val/top1"]) for n, r in again.items()
    }
    quiet = toy_here("sweep", "search.yaml")
    assert "0 trained now" in quiet.stderr


def states(folder):
    trials = trials_in(folder)
    return {trial.number: (trial.state.name, trial.value) for trial in trials}


def test_retry_failed_takes_up_the_failed_trials_of_a_search(toy_here, tmp_path):
    toy_here("sweep", "search.yaml", dies=lambda c, _: "bug: x" if c.trial in (0, 3) else None)
    done = toy_here("sweep", "search.yaml", "--retry-failed")
    assert done.returncode == 0, done.stderr
    assert {state for state, _ in states(tmp_path / "runs/search").values()} == {"COMPLETE"}


def test_commands_about_plans_name_what_there_is(toy_here):
    toy_here("sweep", "pair.yaml")
    for words, told in {
        ("status", "piar"): "no plan 'piar' in runs; did you mean 'pair'?",
        ("gc", "piar"): "no plan 'piar' in runs; did you mean 'pair'?",
        ("retry", "pair"): "retry: which? --failed, --cancelled, or both",
        ("retry", "pair", "--failed", "--where", "raeson=x"): "did you mean 'reason'?",
        ("retry", "pair", "--failed", "--where", "reason=omm"): "did you mean 'oom'?",
        ("cancel", "pair"): "pair: nobody is at work on runs/pair; nothing to cancel",
    }.items():
        done = toy_here(*words)
        assert done.returncode == 2
        assert told in done.stderr


class Cancels(Unasked):
    """Others ask while a plan is at work: for some cells first, in the end for all of it."""

    first: tuple[str, ...] = ()

    def _step(self, training):
        return Report(training.cell.key, "step", {"step": 1, "steps": 8})

    def start(self, cell):
        super().start(cell)
        words = {2: self.first, 4: ()}.get(len(self.started))
        if words is not None:
            app()(args=["cancel", "pair", *words], standalone_mode=False)


@pytest.mark.parametrize("first", [(), ("--where", "arm=good")], ids=["plan", "cells first"])
def test_a_plan_or_its_cells_are_cancelled_from_outside(toy_here, tmp_path, monkeypatch, first):
    monkeypatch.setattr(Cancels, "first", first)
    done = toy_here("sweep", "pair.yaml", "--workers", "2", executor=Cancels)
    assert done.returncode == 143
    assert "stopped: cancelled; the same command goes on" in done.stderr
    assert f"0 done, 0 failed, {'2 cancelled, ' if first else ''}" in done.stderr
    assert done.stdout.count("asked to end") == (2 if first else 0)
    assert {row["state"] for row in rows(toy_here)} == {"cancelled"}
    ended = [(r.arm, r.status) for r in load_all(tmp_path / "runs")]
    assert ended == ([("good", "cancelled")] * 2 if first else [])
    if first:
        toy_here("retry", "pair", "--cancelled")
    assert "4 done, 0 failed, 4 trained now" in toy_here("sweep", "pair.yaml").stderr
