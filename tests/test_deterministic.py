"""Deterministic searches: the same cells, metrics and numbers, whoever is faster."""

from dataclasses import replace

import pytest
from searches import places_in, records, run, search, trials
from toy_executor import Toy

from harness.coordination.launch import launch
from harness.coordination.watchers import Silent
from harness.settings import Settings

TEXT = """  trials: 11
  sampler: {{name: tpe, n_startup_trials: 4}}
  pruner: {{name: {pruner}}}
  deterministic: {deterministic}
  batch: 3
  space:
    train.optimizer.lr: {{float: [1e-5, 1e-1], log: true}}
    train.batch_size: {{int: [4, 32]}}
"""
PRUNERS = ["none", "median, n_startup_trials: 2", "successive_halving", "hyperband", "wilcoxon"]


def kept(places):
    """All but time, memory, host and dates."""
    named = [
        replace(r, env={}, seconds=0.0, started="", cost={})
        for r in records(places) + records(places, "confirm")
    ]
    told = [(t.number, t.state, t.params, t.values, t.intermediate_values) for t in trials(places)]
    return named, told


@pytest.mark.parametrize("pruner", PRUNERS)
def test_runs_whose_trials_end_in_any_order_agree(pruner, tmp_path, depth):
    plan = search(tmp_path, TEXT.format(pruner=pruner, deterministic="true"))
    reference = places_in(tmp_path)
    run(plan, reference, Toy(reference.runs, epochs=4), workers=1)
    assert any(r.status == "pruned" for r in records(reference)) == (pruner != "none")
    for order in range(depth(2, 20)):
        places = places_in(tmp_path, f"runs{order}")
        run(plan, places, Toy(places.runs, epochs=4, order=order), workers=1 + order % 3)
        assert kept(places) == kept(reference)


def test_without_it_they_do_not(tmp_path):
    plan = search(tmp_path, TEXT.format(pruner=PRUNERS[1], deterministic="false"))
    found = []
    for order in range(4):
        places = places_in(tmp_path, f"runs{order}")
        run(plan, places, Toy(places.runs, epochs=4, order=order), workers=3)
        found.append(kept(places))
    assert any(other != found[0] for other in found)


@pytest.mark.parametrize("pruner", PRUNERS)
@pytest.mark.parametrize("after", [2, 13, 15, 19, 22, 25, 28, 31, 34])
@pytest.mark.parametrize("lost", [False, True])
def test_one_that_was_interrupted_goes_on_as_if_it_had_not_been(pruner, after, lost, tmp_path):
    """Interrupted after so many epochs, with the storage kept or lost."""
    plan = search(tmp_path, TEXT.format(pruner=pruner, deterministic="true"))
    reference, places = places_in(tmp_path), places_in(tmp_path, "again")
    run(plan, reference, Toy(reference.runs, epochs=4))
    left = [after]

    def interrupted(_cell, _epoch):
        left[0] -= 1
        if left[0] == 0:
            raise KeyboardInterrupt

    run(plan, places, Toy(places.runs, epochs=4, order=after, dies=interrupted))
    if lost:
        (places.runs / "s" / "study.journal").unlink()
    run(plan, places, Toy(places.runs, epochs=4, order=after + 1))
    assert kept(places) == kept(reference)


def test_a_verdict_holds_though_the_worker_is_killed_on_its_way_to_the_record(tmp_path):
    plan = search(tmp_path, TEXT.format(pruner=PRUNERS[1], deterministic="true"))
    reference, places = places_in(tmp_path), places_in(tmp_path, "again")
    run(plan, reference, Toy(reference.runs, epochs=4))
    killed = []

    class Killed(Toy):
        def answer(self, key, verdict):
            if verdict.status == "pruned" and key not in killed:
                killed.append(key)
                self.kill(key)
            else:
                super().answer(key, verdict)

    run(plan, places, Killed(places.runs, epochs=4))
    assert killed
    assert kept(places) == kept(reference)


@pytest.mark.slow
def test_with_real_trainings(tmp_path):
    text = TEXT.format(pruner="median, n_startup_trials: 1", deterministic="true")
    text = text.replace("trials: 11", "trials: 5").replace("batch: 3", "batch: 2")
    plan = search(tmp_path, text)
    found = []
    for runs, workers in (("one", 2), ("two", 2)):
        places = places_in(tmp_path, runs)
        launch(plan, places, Settings(wandb="disabled", device="cpu", workers=workers), Silent())
        found.append(kept(places))
    assert found[0] == found[1]
