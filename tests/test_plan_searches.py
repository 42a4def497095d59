"""`harness plan` of a search: which trials count as there, and how many are to be made."""

import json
from pathlib import Path

import pytest
from shapes import TINY, write

from harness.files import append_json
from harness.places import Places
from harness.planning.naming import study_name
from harness.planning.plan import sweep_plan
from harness.results.record import Record
from harness.results.store import folder_of, save
from harness.source import prepare_source

SEARCH = """
name: looking
arms: [tiny.yaml]
search:
  LIMIT
  space:
    model.fusion.name: {choice: [sum, conv]}
    train.optimizer.lr: {float: [1e-4, 1e-2], log: true}
confirm: {top_k: 2, seeds: [7, 8, 9]}
"""


@pytest.fixture
def places(here, tmp_path):
    """Where the command runs: an empty folder but for one experiment."""
    write(tmp_path, "tiny.yaml", TINY)
    return Places(data=(tmp_path / "data",), cache=Path("cache"), runs=Path("runs"))


@pytest.fixture
def planned(here, places):
    """The rows of a file as the command gives them in JSON."""

    def rows(*words):
        done = here("plan", *words, "--format", "json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return rows


def leave(cell, places, **changes):
    """A record of a cell, as a training would leave it."""
    facts = {
        "status": "done",
        "data_hash": "then",
        "cost": {"seconds/fit": 8.0},
        "clips": {"train": 36},
        "started": "2026-01-01T00:00:00Z",
        "seconds": 10.0,
    }
    record = Record(**(cell.names() | facts | changes))
    save(record, folder_of(places.runs, record.plan, record.key))
    return record


def leave_trial(plan, cell, places, **changes):
    """The same of a trial that this very search has proposed."""
    line = {"study": study_name(plan, plan.tasks[0], places), "number": cell.trial, "key": cell.key}
    leave(cell, places, **changes)
    append_json(places.runs / plan.name / "proposals.jsonl", line)


def test_a_search_counts_trials_and_confirmations(planned, places, tmp_path):
    file = write(tmp_path, "looking.yaml", SEARCH.replace("LIMIT", "trials: 5"))
    [row] = planned(file)
    assert (row["seeds"], row["trials"], row["cells"], row["to_train"]) == (
        "0, then 7 8 9",
        5,
        11,
        11,
    )
    plan = sweep_plan(file)
    changed = plan.tasks[0].changed(
        [("model.fusion.name", "sum"), ("train.optimizer.lr", 1e-3)], "a trial"
    )
    leave_trial(plan, changed.cell(places, "looking", 0, trial=0, stage="search"), places)
    leave(changed.cell(places, "looking", 7, trial=0, stage="confirm"), places)
    [row] = planned(file)
    assert (row["done"], row["to_train"], row["basis"]) == (2, 9, "same arm (2)")


def test_stale_trials_are_trained_again(planned, places, tmp_path):
    file = write(tmp_path, "looking.yaml", SEARCH.replace("LIMIT", "trials: 5"))
    plan = sweep_plan(file)
    task = plan.tasks[0]
    prepare_source(task.experiment.data, places, workers=1, progress=lambda *_: None)
    trial = task.cell(places, "looking", 0, trial=0, stage="search")
    leave_trial(plan, trial, places)
    leave(task.cell(places, "looking", 7, trial=0, stage="confirm"), places)
    [row] = planned(file)
    assert (row["done"], row["stale"], row["to_train"]) == (0, 2, 11)
    bound = "space:\n    data.flow.bound: {float: [10, 20]}"  # a cache of its own for each trial
    file.write_text(file.read_text().replace("space:", bound))
    leave_trial(sweep_plan(file), trial, places)
    [row] = planned(file)
    assert (row["done"], row["stale"], row["to_train"]) == (2, None, 9)


def test_only_trials_that_a_launch_would_take_up_count(planned, places, tmp_path):
    """None of another seed, another space or another arm, nor what confirmed those."""
    file = write(tmp_path, "looking.yaml", SEARCH.replace("LIMIT", "trials: 5"))
    for changes in ("seeds=[3]", "search.objective=val/mean_class", "set={train.batch_size: 8}"):
        other = sweep_plan(file, [changes])
        task = other.tasks[0].changed([("train.optimizer.lr", 1e-3)], "a trial")
        seed = other.search_seed(task)
        leave_trial(other, task.cell(places, "looking", seed, trial=0, stage="search"), places)
        [mine] = planned(file, "--set", changes)
        assert (mine["done"], mine["to_train"]) == (1, 10)
    leave(task.cell(places, "looking", 7, trial=0, stage="confirm"), places)
    [row] = planned(file)
    assert (row["done"], row["to_train"]) == (0, 11)


def test_what_a_search_left_is_what_its_plan_counts(toy_here):
    toy_here("sweep", "search.yaml")
    [row] = json.loads(toy_here("plan", "search.yaml", "--format", "json").stdout)
    assert (row["done"], row["to_train"]) == (7, 0)
    other = toy_here("plan", "search.yaml", "--set", "seeds=[3]", "--format", "json")
    assert json.loads(other.stdout)[0]["to_train"] == 7


@pytest.mark.parametrize(("duplicates", "left"), [("count", 9), ("reuse", 10)])
def test_a_repeated_trial_counts_as_the_search_says(planned, places, tmp_path, duplicates, left):
    limit = f"trials: 5\n  duplicates: {duplicates}"
    plan = sweep_plan(file := write(tmp_path, "looking.yaml", SEARCH.replace("LIMIT", limit)))
    for number in (0, 1):
        cell = plan.tasks[0].cell(places, "looking", 0, trial=number, stage="search")
        leave_trial(plan, cell, places)
    assert planned(file)[0]["to_train"] == left


@pytest.mark.parametrize(
    ("limit", "trials", "cells", "seconds"),
    [
        ("budget: {epochs: 9}", 5, 11, 10 * 10.0),  # of two epochs each, the last one begun
        ("budget: {hours: 2}", None, None, 7200 - 10 + 6 * 10.0),
        ("budget: {device_hours: 2}", None, None, None),
    ],
)
def test_a_budget_decides_how_many_trials(planned, places, tmp_path, limit, trials, cells, seconds):
    file = write(tmp_path, "looking.yaml", SEARCH.replace("LIMIT", limit))
    plan = sweep_plan(file)
    cell = plan.tasks[0].cell(places, "looking", 0, trial=0, stage="search")
    leave_trial(plan, cell, places)
    [row] = planned(file)
    assert (row["trials"], row["cells"]) == (trials, cells)
    assert row["seconds"] == (None if seconds is None else pytest.approx(seconds))
