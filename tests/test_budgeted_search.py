"""A search with a budget, as its queue meets it: what is proposed, and what counts later."""

import pytest
from searches import places_in, run, search
from shapes import TINY, write
from toy_executor import Toy

from harness.files import append_line
from harness.places import Places
from harness.planning.plan import sweep_plan
from harness.results.record import Record
from harness.results.store import folder_of, save
from harness.search.searching import Searching
from harness.search.storages import journal

SWEEP = """
name: looking
arms:
  - {base: tiny.yaml, name: short, set: {train.epochs: 2}}
  - {base: tiny.yaml, name: long, set: {train.epochs: 6}}
search:
  budget: {epochs: 12}
  sampler: {name: random, seed: 0}
  space:
    model.fusion.name: {choice: [sum, conv]}
    model.fusion.kernel_size: {choice: [1, 3, 5], when: {model.fusion.name: conv}}
    train.optimizer.lr: {float: [1e-4, 1e-2], log: true}
confirm: {top_k: 1, seeds: [7]}
"""


@pytest.fixture
def places(tmp_path):
    write(tmp_path, "tiny.yaml", TINY)
    write(tmp_path, "looking.yaml", SWEEP)
    return Places(cache=tmp_path / "cache", runs=tmp_path / "runs")


def open_search(places, index):
    plan = sweep_plan(places.runs.parent / "looking.yaml")
    (places.runs / plan.name).mkdir(parents=True, exist_ok=True)
    storage = journal(places.runs / plan.name)
    return Searching(plan, plan.tasks[index], plan.search, places, storage, lambda _: None)


def train(queue, cell, places, status="done"):
    """What a worker leaves: a log with every epoch, and a record."""
    epochs = cell.config["train"]["epochs"] if status == "done" else 0
    folder = folder_of(places.runs, cell.plan, cell.key)
    folder.mkdir(parents=True)
    append_line(folder / "log.jsonl", {"event": "start"})
    for epoch in range(1, epochs + 1):
        append_line(folder / "log.jsonl", {"event": "epoch", "epoch": epoch})
    facts = {"data_hash": "d", "metrics": {"val/top1": 0.5}, "started": "2026-01-01T00:00:00Z"}
    record = Record(**(cell.names() | facts), status=status, seconds=1.0)
    save(record, folder)
    queue.tell(cell, record)


def finish(queue, places, at_most=99):
    """The stages of the cells that it gives, one after another."""
    stages = []
    while len(stages) < at_most and (cell := queue.next()) is not None:
        train(queue, cell, places)
        stages.append(cell.stage)
    return stages


@pytest.mark.parametrize(("index", "trials"), [(0, 6), (1, 2)])
def test_every_arm_trains_as_many_epochs(places, index, trials):
    assert finish(open_search(places, index), places) == ["search"] * trials + ["confirm"]


def test_what_was_used_before_a_restart_counts(places):
    finish(open_search(places, 0), places, at_most=4)
    queue = open_search(places, 0)
    assert queue.before == 4
    assert finish(queue, places) == ["search", "search", "confirm"]


def test_trials_that_fail_use_the_budget_up(places):
    queue = open_search(places, 0)
    failed = 0
    while (cell := queue.next()) is not None:
        train(queue, cell, places, status="failed")
        failed += 1
    assert failed == 12  # an epoch each, so that a search ends in which nothing works


def test_what_is_at_work_has_used_nothing_yet(places):
    queue = open_search(places, 1)
    first, second, third = (queue.next() for _ in range(3))
    for cell in (first, second, third):
        train(queue, cell, places)
    assert finish(queue, places) == ["confirm"]


def test_a_key_is_set_only_where_its_condition_holds(places):
    queue = open_search(places, 0)
    fusions = []
    while (cell := queue.next()) is not None:
        fusions.append(cell.config["model"]["fusion"])
        train(queue, cell, places)
    assert {fusion["name"] for fusion in fusions} == {"sum", "conv"}
    assert all(("kernel_size" in fusion) == (fusion["name"] == "conv") for fusion in fusions)


@pytest.mark.parametrize("kind", ["hours", "device_hours"])
def test_a_budget_of_time_ends_where_every_trial_fails_at_once(kind, tmp_path):
    """Each counts as a minute."""
    space = "  space: {train.optimizer.lr: {float: [1e-4, 1e-2], log: true}}"
    plan = search(tmp_path, f"  budget: {{{kind}: 0.05}}\n  sampler: random\n{space}")
    toy = Toy(tmp_path / "runs", dies=lambda *_: "bug: it never works")
    run(plan, places_in(tmp_path), toy, workers=1)
    assert [cell.trial for cell in toy.started] == [0, 1, 2]
    run(plan, places_in(tmp_path), toy, workers=1)
    assert len(toy.started) == 3
