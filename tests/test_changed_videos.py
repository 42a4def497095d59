"""Videos that are no longer what records were made with: which of them give way, and to what."""

from dataclasses import replace

import pytest
from fake_records import record
from searches import trials_in
from shapes import TINY, write
from toy_executor import top1
from toy_launch import Unasked, measured

from harness.config.schema import plain
from harness.coordination import launch
from harness.coordination.launch import Again
from harness.coordination.outcome import record_without_training
from harness.places import Places
from harness.planning.entries import parse
from harness.planning.plan import experiment_plan
from harness.planning.space import rereads
from harness.results.store import load_all, save
from harness.source import reading_of


class Other(Unasked):
    videos = "other"


def prepared(plan, *_):
    """What `_prepare` tells of videos that are not those of the toy's first trainings."""
    return {reading_of(plain(task.experiment.data)): "other" for task in plan.tasks}


def worse(cell, epoch):
    return {name: value / 2 for name, value in measured(cell, epoch).items()}


def trials(runs):
    return {r.trial: r for r in load_all(runs) if r.stage == "search"}


def test_a_search_is_made_again_under_its_numbers(toy_here, tmp_path, monkeypatch):
    toy_here("sweep", "search.yaml")
    before, folder = trials(tmp_path / "runs"), tmp_path / "runs/search"
    dropped = record(plan="search", arm="dropped", key="dropped", data_hash="toy")
    save(dropped, folder / "dropped")  # of an arm that the file had once
    monkeypatch.setattr(launch, "_prepare", prepared)
    done = toy_here("sweep", "search.yaml", executor=Other, measure=worse)
    assert "videos have changed: 7 trainings are set aside" in done.stdout + done.stderr
    assert "7 trained now" in done.stderr
    (folder / "dropped/record.json").unlink()  # it stands
    after = trials(tmp_path / "runs")
    assert {r.data_hash for r in load_all(tmp_path / "runs")} == {"other"}
    assert {n: r.key for n, r in after.items()} == {n: r.key for n, r in before.items()}
    assert {t.number: t.value for t in trials_in(folder)} == {
        n: r.metrics["val/top1"] for n, r in after.items()
    }
    assert len(list(folder.glob("*.old-1/record.json"))) == 7
    again = toy_here("sweep", "search.yaml", executor=Other)
    assert "0 trained now" in again.stderr
    assert "videos have changed" not in again.stdout + again.stderr


@pytest.mark.parametrize("number", [0, 2])
def test_a_trial_at_work_when_videos_change_is_judged_by_the_new_ones(
    number, toy_here, tmp_path, monkeypatch
):
    """It begins anew, and its study forgets the epochs that it had."""

    def interrupted(cell, epoch):
        if (cell.trial, epoch) == (number, 3):
            raise KeyboardInterrupt

    words = ("sweep", "search.yaml", "--workers", "1")
    assert toy_here(*words, epochs=4, dies=interrupted).returncode == 130
    assert len(trials_in(tmp_path / "runs/search")[number].intermediate_values) == 2
    monkeypatch.setattr(launch, "_prepare", prepared)
    toy_here(*words, executor=Other, measure=worse, epochs=4)
    found = trials(tmp_path / "runs")
    for trial in trials_in(tmp_path / "runs/search"):
        curve = {epoch: top1(found[trial.number], epoch + 1)["val/top1"] / 2 for epoch in range(4)}
        assert trial.intermediate_values == curve


@pytest.mark.parametrize(
    ("keys", "changes"),
    [
        (["train.epochs", "data.clip.crop", "data.augment.crop", "data.val.share"], False),
        (["train.epochs", "data.flow.bound"], True),
        (["data.resize"], True),
        (["data"], True),
    ],
)
def test_a_space_that_changes_how_videos_are_read(keys, changes):
    assert rereads([parse(key, {"int": [1, 2]}) for key in keys]) is changes


def test_what_never_had_any_videos_is_not_outdated(tmp_path):
    """Neither a failure, which --retry-failed is for, nor what was cancelled before it began."""
    places = Places(data=(tmp_path,), cache=tmp_path / "cache", runs=tmp_path / "runs")
    plan = experiment_plan(write(tmp_path, "tiny.yaml", TINY))
    [cell] = plan.cells(places)
    cancelled = record_without_training(cell, "cancelled", "cancelled by `harness cancel`")
    done = replace(cancelled, status="done", data_hash="toy")
    failed = replace(done, status="failed")
    hashes = prepared(plan)

    def outdated(**again):
        rule = launch._outdated(Again(**again), hashes)
        return [rule(cell, record) for record in (cancelled, done, failed)]

    assert cancelled.data_hash == ""
    assert outdated() == [False, True, False]
    assert outdated(failed=True) == [False, True, True]
    assert outdated(fresh=True) == [True, True, True]
    assert not launch._outdated(Again(), hashes)(cell, replace(done, data_hash="other"))
