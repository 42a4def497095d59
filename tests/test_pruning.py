"""Pruning is the coordinator's: from epoch reports, each once, also when storage or worker went."""

import pytest
from optuna.pruners import NopPruner
from optuna.storages import InMemoryStorage
from optuna.trial import TrialState, create_trial
from searches import places_in, records, run, search, states, trials
from toy_executor import Toy, top1

from harness.errors import UserError
from harness.files import append_line, read_json_lines
from harness.planning.sweepfile import Objective
from harness.search.pruning import Pruning
from harness.search.study import study_of

TEXT = """  trials: 12
  sampler: {name: random, seed: 1}
  pruner: {name: median, n_startup_trials: 3, n_warmup_steps: 1}
  space:
    train.optimizer.lr: {float: [1e-5, 1e-1], log: true}
"""

CHOICE = "model.fusion: {choice: [conv, {name: conv}]}"


def curves(places):
    return [(t.number, t.state.name, t.value, t.intermediate_values) for t in trials(places)]


def logged(places, record):
    lines = read_json_lines(places.runs / "s" / record.key / "log.jsonl")
    return {e["epoch"] - 1: e["metrics"]["val/top1"] for e in lines if e["event"] == "epoch"}


def test_hopeless_trials_end_early_and_what_is_confirmed_does_not(tmp_path):
    places = places_in(tmp_path)
    run(search(tmp_path, TEXT), places, Toy(places.runs, epochs=6))
    assert states(places)["PRUNED"] > 0
    for trial, record in zip(trials(places), records(places), strict=True):
        assert record.status == {"COMPLETE": "done", "PRUNED": "pruned"}[trial.state.name]
        assert trial.intermediate_values == logged(places, record)
        epochs = len(trial.intermediate_values)
        assert epochs == 6 if record.status == "done" else 1 < epochs < 6
        if record.status == "pruned":
            assert record.reason == f"pruned after epoch {epochs}"
            assert trial.value == trial.intermediate_values[epochs - 1]  # what Optuna takes it for
    assert [r.status for r in records(places, "confirm")] == ["done"]


def test_an_epoch_is_reported_once_though_its_worker_died_and_reports_it_again(tmp_path):
    """As after a checkpoint that is older than the log."""
    places = places_in(tmp_path)

    class Forgets(Toy):
        def start(self, cell):
            super().start(cell)
            self._trainings[cell.key].epoch = max(0, self._trainings[cell.key].epoch - 2)

    dead = set()

    def dies(cell, epoch):
        if epoch == 4 and cell.key not in dead:
            dead.add(cell.key)
            return "preempted: gone"
        return None

    forgetful = Forgets(places.runs, epochs=6, dies=dies)
    run(search(tmp_path, TEXT), places, forgetful, workers=1)
    steady = places_in(tmp_path, "steady")
    run(search(tmp_path, TEXT), steady, Toy(steady.runs, epochs=6), workers=1)
    assert dead
    assert curves(places) == curves(steady)


@pytest.mark.parametrize("pruner", ["median", "successive_halving", "hyperband"])
def test_a_storage_that_was_lost_is_filled_again_from_logs_and_records(pruner, tmp_path):
    places, text = (
        places_in(tmp_path),
        TEXT.replace("{name: median, n_startup_trials: 3, n_warmup_steps: 1}", pruner),
    )
    run(search(tmp_path, text), places, Toy(places.runs, epochs=6))
    before, rungs = curves(places), [t.system_attrs for t in trials(places)]
    (places.runs / "s" / "study.journal").unlink()
    toy = Toy(places.runs, epochs=6)
    run(search(tmp_path, text), places, toy)
    assert toy.started == []
    assert curves(places) == before
    assert [t.system_attrs for t in trials(places)] == rungs


def test_epochs_that_only_a_log_has_are_told_when_their_trial_is_proposed_anew(tmp_path):
    """The journal and the end of the proposals were lost, and with them that it was begun."""
    places, steady = places_in(tmp_path), places_in(tmp_path, "steady")
    run(search(tmp_path, TEXT), steady, Toy(steady.runs, epochs=6), workers=1)

    def interrupted(cell, epoch):
        if (cell.trial, epoch) == (2, 4):
            raise KeyboardInterrupt

    run(search(tmp_path, TEXT), places, Toy(places.runs, epochs=6, dies=interrupted), workers=1)
    (places.runs / "s/study.journal").unlink()
    history = places.runs / "s/proposals.jsonl"
    lines = history.read_bytes().splitlines(keepends=True)
    history.write_bytes(b"".join(lines[:2]))
    assert len(lines) == 3
    run(search(tmp_path, TEXT), places, Toy(places.runs, epochs=6), workers=1)
    assert curves(places) == curves(steady)


def test_trials_that_share_a_training_know_all_of_it_after_a_restart(tmp_path):
    """The one that leads hears the rest as it is trained, the other at the end."""
    text = TEXT.replace("train.optimizer.lr: {float: [1e-5, 1e-1], log: true}", CHOICE)
    places = places_in(tmp_path)
    left = [3]

    def interrupted(_cell, _epoch):
        left[0] -= 1
        if left[0] == 0:
            raise KeyboardInterrupt

    run(search(tmp_path, text), places, Toy(places.runs, epochs=6, dies=interrupted), workers=4)
    run(search(tmp_path, text), places, Toy(places.runs, epochs=6), workers=4)
    assert len({trial.number for trial in trials(places)}) > len(records(places))
    for trial in trials(places):
        assert len(trial.intermediate_values) == 6


def test_a_metric_that_is_never_logged_stops_with_what_there_is(tmp_path):
    places = places_in(tmp_path)
    plan = search(tmp_path, TEXT + "  objective: val/mean_class")
    with pytest.raises(UserError) as error:
        run(plan, places, Toy(places.runs, epochs=3))
    assert str(error.value).endswith("'val/mean_class' was not measured; allowed: val/top1")


def test_a_trial_without_a_number_is_ended_by_the_pruner(tmp_path):
    places = places_in(tmp_path)

    def measure(cell, epoch):
        broken = cell.trial == 5 and epoch == 2
        return {"val/top1": None} if broken else top1(cell, epoch)

    text = TEXT.replace(
        "{name: median, n_startup_trials: 3, n_warmup_steps: 1}", "{name: threshold, lower: 0.0}"
    )
    run(search(tmp_path, text), places, Toy(places.runs, epochs=4, measure=measure))
    assert [r.trial for r in records(places) if r.reason == "pruned after epoch 2"] == [5]


def test_a_log_that_has_grown_since_it_was_read_is_read_again(tmp_path):
    """As of a trial of another search, which waits for the same training."""
    goal = Objective(metric="val/top1")
    study = study_of(InMemoryStorage(), "s", [goal], NopPruner())
    study.add_trial(create_trial(state=TrialState.RUNNING))
    pruning, log = Pruning(study, goal, 1, None), tmp_path / "log"
    for epochs in (2, 5):
        for epoch in range(epochs):
            line = {"event": "epoch", "epoch": epoch + 1, "metrics": {"val/top1": epoch / 10}}
            append_line(log, line)
        pruning.recover(0, log)
        assert len(study.trials[0].intermediate_values) == epochs
