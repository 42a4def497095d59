"""Processes that hang, die or are killed cost one answer, and only theirs."""

import os
import signal
import subprocess
import sys
import time
from multiprocessing.connection import Connection
from pickle import PicklingError

import misbehaving
import pytest

from harness.data import pool as pools
from harness.data.pool import AHEAD, Lost, Pool

DIED = Lost("the process that decoded it died, twice", again=True)


def answers(*tasks, workers=2, seconds=60.0):
    with Pool(workers, seconds=seconds) as pool:
        return [answer for _, answer in pool.in_order(misbehaving.act, tasks)]


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_answers_come_in_the_order_of_the_tasks(workers):
    tasks = [("echo", number) for number in range(7)]
    with Pool(workers, seconds=60) as pool:
        for _ in range(2):  # the same processes
            pairs = list(pool.in_order(misbehaving.act, tasks))
            assert pairs == [(task, task[1]) for task in tasks]


def test_no_tasks_need_no_process():
    assert answers(workers=0) == []


def test_processes_are_used_again_and_are_others_than_this_one():
    ids = answers(*[("who",)] * 6, workers=2)
    assert len(set(ids)) <= 2
    assert os.getpid() not in ids


def test_a_process_that_dies_costs_its_task_only():
    deaths = ["die", "leave", "fault", "die while sending"]
    tasks = [task for how in deaths for task in [(how,), ("echo", how)]]
    assert answers(*tasks) == [answer for how in deaths for answer in (DIED, how)]


def test_a_task_whose_process_died_by_chance_is_done_on_the_second_try(tmp_path):
    tasks = [("echo", 0), ("die once", tmp_path / "marker"), ("echo", 2)]
    assert answers(*tasks) == [0, "second time", 2]


def test_the_second_try_is_alone(tmp_path):
    other = tmp_path / "other"
    tasks = [("alone?", tmp_path / "marker", other), ("busy", other, 1.5), ("echo", 2)]
    assert answers(*tasks)[0] is False


def test_a_process_that_hangs_in_native_code_is_given_up():
    tasks = [("echo", 0), ("hang",), ("echo", 2), ("echo", 3)]
    assert answers(*tasks, seconds=1) == [
        0,
        Lost("took longer than 1 s, see --seconds-per-file"),
        2,
        3,
    ]


def test_an_exception_is_raised_with_the_workers_traceback():
    with pytest.raises(
        RuntimeError, match=r"(?s)in a worker process:.*lambda: 1 / 0.*ZeroDivision"
    ):
        answers(("echo", 0), ("raise",), ("echo", 2))


def test_a_task_that_cannot_be_sent_is_the_callers_error_and_blocks_nobody():
    with Pool(1, seconds=60) as pool:
        for _ in range(2):
            tasks = [("echo", 0), ("echo", lambda: 1), ("echo", 2), ("echo", 3)]
            with pytest.raises((AttributeError, PicklingError), match="lambda"):
                list(pool.in_order(misbehaving.act, tasks))
        assert [a for _, a in pool.in_order(misbehaving.act, [("echo", 4)] * 3)] == [4] * 3


def test_an_answer_that_there_is_no_memory_for_is_the_callers_error(monkeypatch):
    """A part of it may be left in the pipe: the next question must not get it for an answer."""
    read = Connection.recv

    def short_of_memory(self):
        if read(self) == "too large":
            raise MemoryError
        return True

    with Pool(1, seconds=60) as pool:
        with monkeypatch.context() as patch:
            patch.setattr(Connection, "recv", short_of_memory)
            with pytest.raises(MemoryError):
                list(pool.in_order(misbehaving.act, [("echo", "too large")]))
        assert list(pool.in_order(misbehaving.act, [("echo", 1)])) == [(("echo", 1), 1)]


def test_a_process_that_cannot_be_replaced_blocks_nobody(monkeypatch):
    def must_not():
        raise BlockingIOError("no more processes")

    with Pool(1, seconds=60) as pool:
        monkeypatch.setattr(pools, "_Worker", must_not)
        with pytest.raises(BlockingIOError, match="no more processes"):
            list(pool.in_order(misbehaving.act, [("die",), ("echo", 1), ("echo", 2)]))


def test_processes_are_deaf_to_ctrl_c_from_their_first_moment_on():
    with Pool(2, seconds=60) as pool:
        started = {worker._process.pid for worker in pool._all}
        for process in started:
            os.kill(process, signal.SIGINT)
        answered = {process for _, process in pool.in_order(misbehaving.act, [("who",)] * 6)}
        assert answered <= started, "one that had died was replaced"
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])


def test_no_more_is_begun_than_the_look_ahead(tmp_path):
    marks = [tmp_path / str(number) for number in range(8)]
    with Pool(1, seconds=60) as pool:
        results = pool.in_order(misbehaving.act, [("mark", mark) for mark in marks])
        next(results)
        time.sleep(0.5)  # it would go on by itself
        assert not any(mark.exists() for mark in marks[AHEAD + 1 :])
        assert len(list(results)) == 7


PROGRAM = """
import sys
import misbehaving
from harness.data.pool import Pool

tasks = [("who",), ("who",), ("busy", sys.argv[1], 600)]
with Pool(2, seconds=600) as pool:
    for _, answer in pool.in_order(misbehaving.act, tasks):
        print(answer, flush=True)
"""


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("how", ["terminate", "kill"])
def test_workers_are_gone_when_their_parent_is(tmp_path, how):
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    path = os.pathsep.join(sys.path)
    command = [sys.executable, program, tmp_path / "marker"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, env=os.environ | {"PYTHONPATH": path}
    ) as process:
        ids = {int(process.stdout.readline()) for _ in range(2)}
        getattr(process, how)()
    for _ in range(1000):
        if not any(map(alive, ids)):
            break
        time.sleep(0.02)
    assert not any(map(alive, ids))


def test_stopping_early_waits_for_nobody():
    with Pool(2, seconds=600) as pool:
        next(pool.in_order(misbehaving.act, [("who",), ("hang",)]))
