"""Plans at work: idempotent, killed with SIGKILL and started again, failures kept visible."""

import json
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import optuna
import pytest
from processes import wait_for_epochs, workers_of
from shapes import TINY, write

from harness.coordination.launch import Again, launch, standing
from harness.coordination.lock import owned
from harness.coordination.status import Statuses
from harness.coordination.watchers import Silent
from harness.errors import UserError
from harness.files import DiskError, read_json_lines
from harness.places import Places
from harness.planning.plan import ablation_plan, experiment_plan, sweep_plan
from harness.planning.winners import winners
from harness.results.store import load_all
from harness.settings import Settings

HOW = Settings(wandb="disabled", device="cpu", workers=2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Experiment files and one cache of videos for all tests of this file."""
    folder = tmp_path_factory.mktemp("sweep")
    write(folder, "tiny.yaml", TINY)
    return folder


@pytest.fixture
def places(folder, tmp_path):
    return Places(data=(folder,), cache=folder / "cache", runs=tmp_path / "runs")


def run(plan, places, how=HOW, again=None):
    return launch(plan, places, how, Silent(), again)


def trainings(runs: Path) -> Counter:
    """How often each cell was trained to its end, from the append-only logs."""
    done: Counter = Counter()
    for log in runs.glob("*/*/log.jsonl"):
        events = [json.loads(line)["event"] for line in log.read_text().splitlines()]
        done[log.parent.name] = events.count("finish")
    return done


def test_the_second_time_nothing_is_trained(folder, places):
    plan = experiment_plan(folder / "tiny.yaml", ["seeds=[0,1]", "train.epochs=1"])
    first = run(plan, places)
    assert (len(first.records), first.trained, first.failed) == (2, 2, [])
    second = run(plan, places)
    assert second.trained == 0
    assert [r.key for r in second.records] == [c.key for c in plan.cells(places)]
    assert set(trainings(places.runs).values()) == {1}


def test_fresh_sets_old_records_aside(folder, places):
    plan = experiment_plan(folder / "tiny.yaml", ["train.epochs=1"])
    before = run(plan, places).records[0]
    after = run(plan, places, again=Again(fresh=True)).records[0]
    assert after.metrics == before.metrics
    assert len(list(places.runs.glob("tiny/*/record.json"))) == 2
    assert len(load_all(places.runs)) == 1


def test_changed_videos_make_a_record_outdated(folder, tmp_path, places):
    """The annotations say the same, so the key does; the videos do not."""
    plan = experiment_plan(folder / "tiny.yaml", ["train.epochs=1"])
    record = run(plan, places).records[0]
    path = places.runs / "tiny" / record.key / "record.json"
    path.write_text(path.read_text().replace(record.data_hash, "0" * len(record.data_hash)))
    again = run(plan, places)
    assert again.trained == 1
    assert again.records[0].data_hash == record.data_hash


def test_a_failing_cell_is_recorded_and_the_others_go_on(folder, places):
    text = (
        "name: mixed\narms:\n  - {base: tiny.yaml, name: good}\n"
        "  - {base: tiny.yaml, name: bad, set: {train.optimizer: {name: sgd, lr: 1e30}}}\n"
    )
    plan = sweep_plan(write(folder, "mixed.yaml", text))
    outcome = run(plan, places)
    assert {r.arm: r.status for r in outcome.records} == {"good": "done", "bad": "failed"}
    assert outcome.failed[0].reason.startswith("nan: the loss is")
    error = places.runs / "mixed" / outcome.failed[0].key / "error.txt"
    assert "Traceback" in error.read_text()
    assert run(plan, places).trained == 0
    assert run(plan, places, again=Again(failed=True)).trained == 1


class Kills(Silent):
    """Kills whoever reports an epoch, so many times."""

    def __init__(self, runs: Path, times: int) -> None:
        self.runs, self.times, self.notes = runs, times, []

    def note(self, text):
        self.notes.append(text)

    def progress(self, _cell, facts):
        if "epoch" in facts and self.times > 0:
            self.times -= 1
            for pid in workers_of(self.runs):
                os.kill(pid, signal.SIGKILL)


def test_a_worker_that_is_killed_again_and_again_is_an_outcome_with_its_reason(folder, places):
    plan = experiment_plan(folder / "tiny.yaml", ["train.epochs=200"])
    killer = Kills(places.runs, times=100)
    outcome = launch(plan, places, HOW, killer)
    assert outcome.failed[0].reason == "preempted: killed by signal 9 (SIGKILL)"
    log = read_json_lines(places.runs / "tiny" / outcome.failed[0].key / "log.jsonl")
    assert [line["event"] for line in log].count("died") == 4  # the first attempt and three more
    assert len(killer.notes) == 3


def test_a_worker_that_is_killed_once_goes_on_to_the_same_record(folder, places, tmp_path):
    plan = experiment_plan(folder / "tiny.yaml", ["train.epochs=4"])
    killed = launch(plan, places, HOW, Kills(places.runs, times=1))
    undisturbed = run(plan, replace(places, runs=tmp_path / "undisturbed"))
    assert killed.records[0].metrics == undisturbed.records[0].metrics
    log = places.runs / "tiny" / killed.records[0].key / "log.jsonl"
    events = [json.loads(line)["event"] for line in log.read_text().splitlines()]
    assert (events.count("start"), events.count("died"), events.count("finish")) == (2, 1, 1)


def test_a_worker_whose_disk_is_full_ends_the_plan_and_the_next_run_completes_it(
    folder, places, small_disk
):
    """There is no room for the checkpoint, and what was written of it goes away again."""
    small, remount = small_disk
    plan = experiment_plan(folder / "tiny.yaml")
    undisturbed, cramped = run(plan, places), replace(places, runs=small)
    remount("size=60k")
    with pytest.raises(DiskError, match=r"last.ckpt: the disk is full; free some space"):
        run(plan, cramped)
    assert not list(small.glob("*/*/*.tmp"))
    assert not list(small.glob("*/*/record.json"))
    remount("size=20m")
    assert [r.metrics for r in run(plan, cramped).records] == [
        r.metrics for r in undisturbed.records
    ]


def test_two_coordinators_cannot_own_one_plan(folder, places):
    plan = experiment_plan(folder / "tiny.yaml")
    with (
        owned(places.runs / "tiny", "tiny"),
        pytest.raises(UserError, match="another harness process is at work"),
    ):
        run(plan, places)


def test_an_ablation_pairs_its_seeds(folder, places):
    text = (
        "extends: tiny.yaml\nname: abl\ntrain: {epochs: 1}\n"
        "ablate: {replace: {model.fusion: [sum]}}\n"
    )
    plan = ablation_plan(write(folder, "abl.yaml", text), ["seeds=[0,1]"])
    outcome = run(plan, places)
    assert Counter(r.arm for r in outcome.records) == {"baseline": 2, "fusion=sum": 2}
    assert outcome.failed == []
    assert len(standing(plan, places)) == 4


SEARCH = """
name: search
arms: [tiny.yaml]
search:
  trials: 6
  sampler: {name: random, seed: 3}
  space:
    train.optimizer.lr: {float: [1e-4, 1e-2], log: true}
    model.fusion.name: {choice: [sum, conv]}
  enqueue: [{train.optimizer.lr: 1e-3, model.fusion.name: conv}]
confirm: {top_k: 1, seeds: [7, 8]}
"""


def trial_states(places) -> Counter:
    from harness.search.storages import journal

    storage = journal(places.runs / "search")
    studies = optuna.get_all_study_names(storage)
    assert len(studies) == 1
    trials = optuna.load_study(study_name=studies[0], storage=storage).trials
    return Counter(trial.state.name for trial in trials)


def test_a_search_proposes_confirms_and_stops(folder, places):
    plan = sweep_plan(write(folder, "search.yaml", SEARCH))
    outcome = run(plan, places)
    assert Counter(r.stage for r in outcome.records) == {"search": 6, "confirm": 2}
    assert trial_states(places) == {"COMPLETE": 6}
    rates = {r.trial: r.config["train"]["optimizer"]["lr"] for r in outcome.records}
    assert (rates[0], rates[1]) == (3e-3, 1e-3)  # the arm's own, then what is enqueued
    best = max(
        (r for r in outcome.records if r.stage == "search"), key=lambda r: r.metrics["val/top1"]
    )
    confirmed = [r for r in outcome.records if r.stage == "confirm"]
    assert {r.seed for r in confirmed} == {7, 8}
    assert confirmed[0].config["train"] == best.config["train"]
    assert "test/top1" in confirmed[0].metrics
    [line] = winners(outcome.records, plan.space)
    rate = best.config["train"]["optimizer"]["lr"]
    fusion = best.config["model"]["fusion"]["name"]
    assert line == (
        f"tiny on {best.dataset}/{best.split}: confirmed trial {best.trial}: "
        f"train.optimizer.lr={rate}, model.fusion.name={fusion}"
    )
    again = run(plan, places)
    assert (again.trained, again.before, len(again.records)) == (0, 6, 2)
    assert trial_states(places) == {"COMPLETE": 6}


def test_another_base_or_space_is_another_search(folder, places):
    plan = sweep_plan(write(folder, "search.yaml", SEARCH), ["search.trials=1"])
    run(plan, places)
    changed = sweep_plan(folder / "search.yaml", ["search.trials=1", "set={train.batch_size: 4}"])
    outcome = run(changed, places)
    assert outcome.before == 0
    searched = [r for r in outcome.records if r.stage == "search"]
    assert [r.config["train"]["batch_size"] for r in searched] == [4]
    more = run(sweep_plan(folder / "search.yaml", ["search.trials=2"]), places)
    assert more.before == 1  # more trials of the same search go on with it


def test_killed_with_sigkill_and_started_again_it_ends_with_the_planned_cells(
    folder, tmp_path, depth
):
    """No cell is trained twice, none is lost, and the journal agrees with the records."""
    path = write(folder, "search.yaml", SEARCH)
    for turn in range(depth(1, 10)):
        rng = random.Random(turn)
        places = Places(data=(folder,), cache=folder / "cache", runs=tmp_path / f"runs{turn}")
        command = [
            sys.executable, "-m", "harness", "sweep", str(path), "--wandb", "disabled",
            "--runs", str(places.runs), "--cache", str(places.cache), "--workers", "2",
        ]  # fmt: skip
        for _ in range(3):
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            wait_for_epochs(places.runs, rng.randint(1, 4), process)
            process.kill()
            process.communicate()
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        records = load_all(places.runs)
        assert Counter(r.stage for r in records) == {"search": 6, "confirm": 2}
        assert max(trainings(places.runs).values()) == 1
        assert trial_states(places) == {"COMPLETE": 6}


def test_ctrl_c_leaves_at_once_and_the_next_run_goes_on(folder, places):
    command = [
        sys.executable, "-m", "harness", "run", str(folder / "tiny.yaml"), "--wandb", "disabled",
        "--set", "train.epochs=12", "--runs", str(places.runs), "--cache", str(places.cache),
    ]  # fmt: skip
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    wait_for_epochs(places.runs, 2, process)
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "the same command goes on" in said
    assert "Traceback" not in said
    assert not list(places.runs.glob("*/*/record.json"))
    [status] = Statuses(places.runs).of()
    assert (status.state, status.arms[0].waiting, status.running) == ("interrupted", 1, [])
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "1 done" in done.stderr
    lines = next(places.runs.glob("*/*/log.jsonl")).read_text().splitlines()
    epochs = [e["epoch"] for e in map(json.loads, lines) if e["event"] == "epoch"]
    assert epochs == list(range(1, 13))
