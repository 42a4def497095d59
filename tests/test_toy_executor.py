"""The toy executor keeps the contract that sweeps are tested through."""

from collections import Counter

import pytest
from shapes import TINY, write
from toy_executor import Toy, coordinate

from harness.coordination.executors.contract import Executor
from harness.files import read_json_lines
from harness.places import Places
from harness.planning.plan import experiment_plan


@pytest.fixture
def places(tmp_path):
    return Places(data=(tmp_path,), cache=tmp_path / "cache", runs=tmp_path / "runs")


@pytest.fixture
def plan(tmp_path):
    return experiment_plan(write(tmp_path, "tiny.yaml", TINY), ["seeds=[0,1,2,3]"])


def events(places, key):
    log = read_json_lines(places.runs / "tiny" / key / "log.jsonl")
    return [line["event"] for line in log]


def test_it_is_an_executor_whose_cells_leave_records(plan, places):
    toy = Toy(places.runs, epochs=2, order=5)
    outcome = coordinate(plan, places, toy)
    assert isinstance(toy, Executor)
    assert Counter(r.status for r in outcome.records) == {"done": 4}
    key = outcome.records[0].key
    assert events(places, key) == ["start", "data", "epoch", "epoch", "finish"]
    assert coordinate(plan, places, Toy(places.runs)).trained == 0


def test_a_death_is_tried_again_after_the_last_epoch(plan, places):
    deaths = ["preempted: gone", "nan: the loss is nan"]
    toy = Toy(places.runs, epochs=3, dies=lambda _, epoch: deaths.pop(0) if epoch > 1 and deaths
              else None)  # fmt: skip
    outcome = coordinate(plan, places, toy, workers=1)
    assert Counter(r.status for r in outcome.records) == {"failed": 1, "done": 3}
    failed = outcome.failed[0].key
    assert events(places, failed) == ["start", "data", "epoch", "died", "start", "data", "died"]
