"""The channel for workers on other hosts, without hosts: two ends, one folder, clocks by hand."""

import errno
import json
import os
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.coordination.executors.by_files import Coordinators, Pulse, Tail, Workers, post_for
from harness.train.channel import GO, STOP, Verdict

PRUNED = Verdict("end", "pruned", "pruned after epoch 2")


@pytest.fixture
def post(tmp_path):
    return post_for(tmp_path / "cell", tmp_path / "pulse", "a")


class Clock:
    """Moves when somebody sleeps; `at_sleep` is what happens elsewhere meanwhile."""

    def __init__(self, at_sleep=lambda: None):
        self.now, self.at_sleep = 1000.0, at_sleep

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds
        self.at_sleep()


def worker(post, clock, gone_after=60.0):
    return Workers(post, gone_after=gone_after, clock=clock, sleep=clock.sleep)


def test_an_epoch_waits_for_its_answer_and_a_step_only_looks(post):
    coordinator, heard = Coordinators(post), []

    def judge():
        for event, facts in coordinator.reports():
            heard.append((event, facts))
            if event == "epoch":
                coordinator.answer(PRUNED if facts["epoch"] == 2 else GO)

    tell = worker(post, Clock(judge))
    assert tell("step", {"step": 1}) == GO
    assert heard == []
    assert tell("epoch", {"epoch": 1, "metrics": {"val/top1": None}}) == GO
    assert tell("epoch", {"epoch": 2, "metrics": {"val/top1": 0.5}}) == PRUNED
    assert [event for event, _ in heard] == ["step", "epoch", "epoch"]
    assert heard[2][1] == {"epoch": 2, "metrics": {"val/top1": 0.5}}


def test_a_verdict_that_comes_unasked_is_seen_at_the_next_step(post):
    tell = worker(post, Clock())
    Coordinators(post).answer(STOP)
    assert tell("step", {}) == STOP
    assert tell("step", {}) == GO  # said once


def test_a_coordinator_whose_count_stands_still_is_gone_by_the_workers_own_clock(post):
    """Whatever the clock on the wall says, and whatever times the files have."""
    post.pulse.write_text("a 1")
    os.utime(post.pulse, (0, 0))
    clock = Clock()
    tell = worker(post, clock)
    assert tell("step", {}) == GO
    clock.now += 59
    assert tell("step", {}) == GO
    post.pulse.write_text("a 2")
    os.utime(post.pulse, (0, 0))
    clock.now += 59
    assert tell("step", {}) == GO
    clock.now += 61
    assert tell("step", {}) == STOP
    assert tell("epoch", {"epoch": 1}) == STOP  # does not wait for one who is gone


def test_a_coordinator_that_never_was_is_gone_too(post):
    began = Clock()
    assert worker(post, began)("epoch", {"epoch": 1}) == STOP
    assert 60 < began.now - 1000 < 65


def test_an_attempt_that_is_over_for_the_coordinator_ends(post):
    clock = Clock()
    tell = worker(post, clock)
    assert tell("step", {}) == GO
    Coordinators(post).remove()
    assert tell("step", {}) == STOP


def test_an_attempt_ends_with_the_next_at_the_same_cell(post):
    tell = worker(post, Clock())
    assert tell("step", {"step": 1}) == GO
    again = post_for(post.folder.parents[1], post.pulse, "a")
    assert tell("step", {"step": 2}) == STOP
    assert Coordinators(again).reports() == []


def test_a_job_that_starts_late_does_not_wait_for_the_coordinator_after_its_own(post):
    """It waited in the cluster's queue while its coordinator died and another took over."""
    post.pulse.write_text("b 1")
    assert worker(post, Clock())("epoch", {"epoch": 1}) == STOP


def test_the_pulse_beats_while_its_process_is_busy(tmp_path):
    path = tmp_path / "plan" / "pulse"
    pulse = Pulse(path, seconds=0.01)
    seen = {path.read_bytes()}
    while len(seen) < 5:
        seen.add(path.read_bytes())
    pulse.close()
    assert {len(count) for count in seen} == {len(path.read_bytes())}
    assert not [thread for thread in threading.enumerate() if thread.name == "pulse"]


def test_the_pulse_outlives_a_file_system_that_fails_for_a_moment(tmp_path, monkeypatch):
    errors, write = [OSError(errno.EIO, "once"), OSError(errno.ESTALE, "and again")], os.pwrite

    def pwrite(*given):
        if errors:
            raise errors.pop()
        return write(*given)

    pulse = Pulse(tmp_path / "pulse", seconds=0.01)
    monkeypatch.setattr(os, "pwrite", pwrite)
    first = pulse.path.read_bytes()
    while pulse.path.read_bytes() == first:
        assert pulse._thread.is_alive()
    pulse.close()
    assert errors == []


@given(cuts=st.lists(st.integers(1, 30), max_size=30), torn=st.booleans())
def test_lines_are_read_once_and_whole_however_they_arrive(tmp_path_factory, cuts, torn):
    path = tmp_path_factory.mktemp("tail") / "lines"
    lines = [json.dumps({"n": n, "text": "x" * n}).encode() for n in range(8)]
    content = b"\n".join([lines[0], *([b'{"cut'] if torn else []), *lines[1:]]) + b"\n"
    tail, found = Tail(path), []
    assert tail.values() == []
    with path.open("ab", buffering=0) as file:
        for cut in cuts:
            file.write(content[:cut])
            content = content[cut:]
            found += tail.values()
        file.write(content)
    found += tail.values()
    assert [value["n"] for value in found] == list(range(8))
    assert tail.values() == []
