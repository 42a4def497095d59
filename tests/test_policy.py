"""What the coordinator does about failures, time and requests; trainings are a formula."""

import math
from collections import Counter

import pytest
from shapes import TINY, write
from toy_executor import Toy, coordinate

from harness.coordination import busy, coordinator
from harness.coordination.coordinator import Coordinator
from harness.coordination.failures import CLASSES
from harness.coordination.queues import Fixed
from harness.coordination.requests import ask, asked
from harness.coordination.watchers import Silent
from harness.errors import UserError
from harness.files import read_json_lines
from harness.places import Places
from harness.planning.plan import experiment_plan, sweep_plan
from harness.planning.policy import Policy, changed
from harness.results.store import load


@pytest.fixture
def places(tmp_path):
    return Places(data=(tmp_path,), cache=tmp_path / "cache", runs=tmp_path / "runs")


def plan_of(tmp_path, count):
    return experiment_plan(write(tmp_path, "tiny.yaml", TINY), [f"seeds={list(range(count))}"])


def policy(*overrides):
    return changed(Policy(), overrides)


@pytest.mark.parametrize("kind", CLASSES)
@pytest.mark.parametrize("times", [0, 2])
def test_a_cell_is_started_again_as_often_as_its_class_allows(tmp_path, places, kind, times):
    toy = Toy(places.runs, dies=lambda *_: f"{kind}: whatever")
    outcome = coordinate(plan_of(tmp_path, 1), places, toy, policy=policy(f"retry.{kind}={times}"))
    assert len(toy.started) == 1 + times
    assert [record.reason for record in outcome.failed] == [f"{kind}: whatever"]


def test_memory_that_ran_out_is_tried_again_with_nothing_beside_it(tmp_path, places):
    """Seed 0 dies once; while it is at it again, nothing else is."""
    deaths = ["oom: 3 GB asked for"]

    class Watched(Toy):
        beside: list[int]

        def start(self, cell):
            if self.started and cell.seed == 0:
                self.beside = [t.cell.seed for t in self._trainings.values()]
            elif hasattr(self, "beside"):
                assert not any(t.cell.seed == 0 for t in self._trainings.values())
            super().start(cell)

    def dies(cell, _epoch):
        return deaths.pop() if deaths and cell.seed == 0 else None

    toy = Watched(places.runs, epochs=2, order=3, dies=dies)
    outcome = coordinate(plan_of(tmp_path, 5), places, toy, workers=3)
    assert Counter(r.status for r in outcome.records) == {"done": 5}
    assert toy.beside == []
    assert [cell.seed for cell in toy.started].count(0) == 2


def test_a_cell_whose_memory_ran_out_before_a_restart_still_waits_for_its_turn(tmp_path, places):
    plan = plan_of(tmp_path, 3)
    first = plan.cells(places)[0]
    log = places.runs / "tiny" / first.key / "log.jsonl"
    log.parent.mkdir(parents=True)
    log.write_text('{"event": "died", "reason": "oom: before"}\n')
    beside = []

    class Watched(Toy):
        def start(self, cell):
            beside.append([t.cell.seed for t in self._trainings.values()])
            super().start(cell)

    toy = Watched(places.runs, epochs=2)
    coordinate(plan, places, toy, workers=2)
    assert [cell.seed for cell in toy.started] == [0, 1, 2]
    assert beside == [[], [], [1]]


@pytest.mark.parametrize(("asked_for", "failed"), [("fail_fast", 1), ("{stop_after: 3}", 3)])
def test_a_plan_stops_after_as_many_failures_as_it_was_told(tmp_path, places, asked_for, failed):
    plan = plan_of(tmp_path, 6)
    toy = Toy(places.runs, dies=lambda *_: "nan: the loss is nan")
    outcome = coordinate(plan, places, toy, policy=policy(f"on_failure={asked_for}"))
    assert len(outcome.failed) == failed
    assert outcome.stopped == f"{failed} failed (policy.on_failure)"
    # The next run takes the others up; what has failed is not counted again.
    again = coordinate(plan, places, Toy(places.runs), policy=policy(f"on_failure={asked_for}"))
    assert (len(again.failed), again.trained, again.stopped) == (failed, 6 - failed, "")


class Clock:
    """Every look at it is a second later."""

    def __init__(self):
        self.now = 0.0

    def monotonic(self):
        self.now += 1
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    for module in (busy, coordinator):
        monkeypatch.setattr(module, "time", clock)
    return clock


def test_a_training_that_takes_too_long_ends_with_what_it_measured(tmp_path, places, clock):
    toy = Toy(places.runs, epochs=1000)
    outcome = coordinate(plan_of(tmp_path, 1), places, toy, policy=policy("time_limit=20s"))
    [record] = outcome.failed
    assert record.reason == "time: longer than 20s"
    assert record.metrics["val/top1"] > 0
    assert len(toy.started) == 1


def test_with_retries_for_time_it_goes_on_from_its_checkpoint(tmp_path, places, clock):
    toy = Toy(places.runs, epochs=1000)
    limits = policy("time_limit=20s", "retry.time=2")
    outcome = coordinate(plan_of(tmp_path, 1), places, toy, policy=limits)
    [record] = outcome.failed
    assert len(toy.started) == 3
    epochs = [
        line["epoch"]
        for line in read_json_lines(places.runs / "tiny" / record.key / "log.jsonl")
        if line["event"] == "epoch"
    ]
    assert epochs == list(range(1, len(epochs) + 1))


class Absent(Toy):
    """Hears only what it has asked for."""

    def answer(self, key, verdict):
        if self._trainings[key].waits:
            super().answer(key, verdict)


def test_who_did_not_hear_is_told_again_at_the_next_report(tmp_path, places, clock):
    toy = Absent(places.runs, epochs=1000)
    outcome = coordinate(plan_of(tmp_path, 1), places, toy, policy=policy("time_limit=20s"))
    [record] = outcome.failed
    assert record.reason == "time: longer than 20s"
    assert record.metrics["val/top1"] > 0


class Deaf(Toy):
    """Trains for ever and hears nothing."""

    def events(self, _seconds):
        return [self._ends.pop(0)] if self._ends else []

    def answer(self, key, verdict):
        pass


def test_who_does_not_hear_is_killed_after_a_while(tmp_path, places, clock):
    toy = Deaf(places.runs)
    outcome = coordinate(plan_of(tmp_path, 1), places, toy, policy=policy("time_limit=1m"))
    assert [r.reason for r in outcome.failed] == ["time: longer than 1m"]
    assert clock.now > 60 + busy.SECONDS_TO_END


def run_with(plan, places, toy, look, **how):
    folder = places.runs / plan.name
    folder.mkdir(parents=True, exist_ok=True)
    watcher = how.pop("watcher", Silent())
    whole = Coordinator(folder, 2, watcher, toy, lambda *_: False, look=look, **how)
    return whole.run([Fixed(plan.cells(places))])


def test_one_cell_is_cancelled_with_a_record_and_the_others_go_on(tmp_path, places, clock):
    plan = plan_of(tmp_path, 3)
    key = plan.cells(places)[1].key
    folder = places.runs / plan.name
    ask(folder, [key])
    outcome = run_with(plan, places, Toy(places.runs, epochs=200), lambda: asked(folder))
    assert Counter(r.status for r in outcome.records) == {"done": 2, "cancelled": 1}
    assert load(folder / key / "record.json").reason == "cancelled by `harness cancel`"
    assert outcome.stopped == ""


def test_a_whole_plan_is_cancelled_like_on_ctrl_c(tmp_path, places, clock):
    plan = plan_of(tmp_path, 3)
    folder = places.runs / plan.name
    ask(folder, None)
    outcome = run_with(plan, places, Toy(places.runs, epochs=200), lambda: asked(folder))
    assert (outcome.stopped, outcome.records) == ("cancelled", [])
    again = coordinate(plan, places, Toy(places.runs, epochs=200))
    assert Counter(r.status for r in again.records) == {"done": 3}


def test_a_deaf_cell_is_cancelled_by_force(tmp_path, places, clock):
    plan = plan_of(tmp_path, 1)
    folder = places.runs / plan.name
    ask(folder, [plan.cells(places)[0].key])
    outcome = run_with(plan, places, Deaf(places.runs), lambda: asked(folder))
    assert [r.status for r in outcome.records] == ["cancelled"]


WRONG = [
    ("retry: {omm: 1}", "policy.retry.omm: unknown key; did you mean 'oom'?"),
    ("retry: {oom: -1}", "policy.retry.oom: must be at least 0, got -1"),
    ("on_failure: fail_fats", "policy.on_failure: 'fail_fats' is not allowed; did you mean"),
    ("on_failure: {stop_after: 0}", "policy.on_failure.stop_after: must be at least 1, got 0"),
    ("keep: some", "policy.keep: 'some' is not allowed; allowed: all, {best: 3}"),
    ("time_limit: 30", "policy.time_limit: expected a number above 0 and its unit (s, m, h, d)"),
    ("quota: 10 Gb", "policy.quota: expected a number above 0 and its unit (B, kB, MB, GB, TB)"),
    ("qouta: 10 GB", "policy.qouta: unknown key; did you mean 'quota'?"),
]


@pytest.mark.parametrize(("line", "message"), WRONG)
def test_what_is_wrong_is_told_with_its_line(tmp_path, line, message):
    write(tmp_path, "tiny.yaml", TINY)
    path = write(tmp_path, "s.yaml", f"name: s\narms: [tiny.yaml]\npolicy:\n  {line}\n")
    with pytest.raises(UserError) as error:
        sweep_plan(path)
    assert str(error.value).startswith(f"{path}:4: {message}")


def test_the_command_line_lays_over_the_file(tmp_path):
    write(tmp_path, "tiny.yaml", TINY)
    text = "name: s\narms: [tiny.yaml]\npolicy: {retry: {oom: 5}, keep: {best: 2}, quota: 1.5GB}\n"
    plan = sweep_plan(write(tmp_path, "s.yaml", text))
    over = changed(plan.policy, ["retry.nan=1", "keep=all", "time_limit=1.5h"])
    assert (over.retry.oom, over.retry.nan, over.retry.preempted) == (5, 1, 3)
    assert (over.keep.best, over.bytes, over.seconds) == (None, 1.5e9, 5400)
    assert math.isclose(plan.policy.bytes, 1.5e9)
    for wrong, told in (("retry.omm=1", "--policy retry.omm: "), ("x", "--policy 'x': expected")):
        with pytest.raises(UserError, match=f"^{told}"):
            changed(plan.policy, [wrong])
