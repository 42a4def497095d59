"""What searches share with one another, or must not: trainings, arms, storages, failures."""

from collections import Counter

import pytest
from searches import places_in, records, run, search, states
from shapes import TINY, write
from toy_executor import Toy

from harness.coordination.coordinator import Coordinator
from harness.coordination.watchers import Silent
from harness.errors import UserError
from harness.planning.plan import sweep_plan
from harness.search.searching import Searching
from harness.search.storages import journal, open_storage

SPACE = "  space: {model.fusion.name: {choice: [sum, conv]}}"
RATE = "  space: {train.optimizer.lr: {float: [1e-4, 1e-2], log: true}}"


def test_arms_that_differ_only_in_what_is_searched_are_refused(tmp_path):
    write(tmp_path, "tiny.yaml", TINY)
    arms = "[tiny.yaml, {base: tiny.yaml, name: other, set: {model.fusion: sum}}]"
    text = f"name: s\narms: {arms}\nsearch:\n  trials: 2\n{SPACE}\nconfirm: {{seeds: [7]}}\n"
    with pytest.raises(UserError, match=r"s\.yaml:2: arms 'tiny' .* and 'other' differ in nothing"):
        sweep_plan(write(tmp_path, "s.yaml", text))


def test_two_queues_that_wait_for_one_training_are_both_told(tmp_path):
    plan = search(tmp_path, f"  trials: 2\n  sampler: grid\n{SPACE}")
    places = places_in(tmp_path)
    folder = places.runs / "s"
    folder.mkdir(parents=True)
    queues = [
        Searching(plan, task, plan.search, places, journal(folder / name), lambda _: None)
        for name, task in zip("ab", plan.tasks * 2, strict=True)
        if not (folder / name).mkdir()
    ]
    toy = Toy(places.runs)
    Coordinator(folder, 8, Silent(), toy, lambda *_: False).run(queues)
    assert Counter(cell.trial for cell in toy.started if cell.stage == "search") == {0: 1, 1: 1}
    for queue in queues:
        assert Counter(t.state.name for t in queue.study.trials) == {"COMPLETE": 2}
        assert queue.finished


def test_two_plans_share_a_journal_elsewhere_and_no_trials(tmp_path):
    plan = search(tmp_path, f"  trials: 3\n  sampler: {{name: random, seed: 1}}\n{RATE}")
    found = []
    for runs in ("one", "two"):
        places = places_in(tmp_path, runs)
        places.runs.mkdir()
        url, folder = f"journal:{tmp_path}/shared", places.runs / "s"
        with open_storage(url, folder, meanwhile=print, note=print) as storage:
            queue = Searching(plan, plan.tasks[0], plan.search, places, storage, lambda _: None)
            Coordinator(folder, 2, Silent(), Toy(places.runs), lambda *_: False).run([queue])
        found.append([record.trial for record in records(places)])
    assert found == [[0, 1, 2], [0, 1, 2]]


def test_spellings_of_one_training_are_confirmed_once(tmp_path):
    choice = "  space: {model.fusion: {choice: [conv, {name: conv}, sum]}}"
    plan = search(tmp_path, f"  trials: 3\n  sampler: grid\n{choice}")
    plan.confirm.top_k = 2
    places = places_in(tmp_path)
    run(plan, places)
    names = [r.config["model"]["fusion"]["name"] for r in records(places, "confirm")]
    assert sorted(names) == ["conv", "sum"]


def test_failures_stay_visible_however_often_a_search_is_launched(toy_here):
    dies = {"dies": lambda cell, _: "bug: no" if cell.trial == 1 else None}
    first = toy_here("sweep", "search.yaml", **dies)
    again = toy_here("sweep", "search.yaml")
    assert (first.returncode, again.returncode) == (1, 1)
    assert "1 failed, 0 trained now" in again.stderr
    assert "--retry-failed" in again.stderr


def test_fresh_trains_a_whole_search_again(toy_here):
    toy_here("sweep", "search.yaml")
    again = toy_here("sweep", "search.yaml", "--fresh")
    assert "7 trained now" in again.stderr


def test_a_damaged_line_of_the_history_costs_no_trial(tmp_path):
    plan = search(tmp_path, f"  trials: 6\n  sampler: {{name: random, seed: 1}}\n{RATE}")
    places = places_in(tmp_path)
    left = [4]

    def interrupted(_cell, _epoch):
        left[0] -= 1
        if left[0] == 0:
            raise KeyboardInterrupt

    run(plan, places, Toy(places.runs, dies=interrupted))
    history = places.runs / "s" / "proposals.jsonl"
    lines = history.read_bytes().splitlines(keepends=True)
    history.write_bytes(b"".join([*lines[:2], lines[2][:20] + b"\n", *lines[3:]]))
    run(plan, places)
    assert states(places) == {"COMPLETE": 6}
