"""Importance: what decides comes first, per arm, from records alone; and the command."""

import json
import xml.etree.ElementTree as ElementTree

import pytest
from command_line import harness_here
from searches import places_in, run, search
from toy_executor import Toy

from harness.errors import UserError
from harness.search.importance import importances

TEXT = """  trials: {trials}
  sampler: random
  objectives: [val/top1, {{metric: cost/params, direction: minimize}}]
  space:
    train.optimizer.lr: {{float: [1e-5, 1e-1], log: true}}
    train.batch_size: {{int: [4, 32]}}
    train.label_smoothing: {{float: [0.0, 0.3]}}
"""


def weighed(folder, trials, evaluator="ped_anova", resamples=20):
    """By accuracy only the rate counts, by parameters only the batch size."""
    places = places_in(folder)
    plan = search(folder, TEXT.format(trials=trials))
    toy = Toy(places.runs, cost=lambda cell: {"params": cell.config["train"]["batch_size"]})
    run(plan, places, toy)
    (places.runs / "s" / "study.journal").unlink()
    notes = []
    return importances(plan, places, evaluator, resamples, notes.append), notes


@pytest.mark.parametrize(("evaluator", "resamples"), [("ped_anova", 20), ("fanova", 1)])
def test_what_decides_comes_first_with_an_interval(evaluator, resamples, tmp_path):
    rows, notes = weighed(tmp_path, 50, evaluator, resamples)
    assert notes == []
    first = {r.objective: r for r in reversed(rows)}
    assert first["val/top1"].parameter == "train.optimizer.lr"
    assert first["cost/params"].parameter == "train.batch_size"
    for objective in first:
        assert sum(r.importance for r in rows if r.objective == objective) == pytest.approx(1)
    for row in rows:
        assert 0 <= row.low <= row.high <= 1
        assert row.trials == 50
    assert first["val/top1"].low > 0.1


def test_few_trials_are_said_to_be_few(tmp_path):
    rows, notes = weighed(tmp_path, 3)
    assert rows == []
    assert notes[0] == "tiny, val/top1: 3 trials are done; 4 are needed at least"


def test_what_optuna_doubts_is_a_note_and_no_warning(tmp_path):
    """Of draws that are all one trial it would warn, too: those are what intervals show."""
    places = places_in(tmp_path)
    fusions = "    model.fusion.name: {choice: [sum, conv]}\n"
    sizes = "    model.fusion.kernel_size: {choice: [1, 3], when: {model.fusion.name: conv}}\n"
    enqueue = "  enqueue: [{model.fusion.name: sum}, {model.fusion.name: sum}]\n"
    rate = "    train.optimizer.lr: {float: [1e-5, 1e-1], log: true}\n"
    text = f"  trials: 4\n  sampler: {{name: random, seed: 1}}\n{enqueue}  space:\n"
    plan, notes = search(tmp_path, text + fusions + sizes + rate), []
    run(plan, places)
    rows = importances(plan, places, "ped_anova", 200, notes.append)
    assert rows
    assert notes[0] == "tiny, val/top1: 4 trials; a rough guess below 50"
    assert all(note.startswith("tiny, val/top1: ") for note in notes)


def test_the_command_prints_a_table_and_draws(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    weighed(tmp_path, 12)
    given = ["importance", "s.yaml", "--resamples", "20", "--plot", "i.svg", "--data", "."]
    done = harness_here(capsys, *given, "--format", "json")
    assert done.returncode == 0, done.stderr
    assert {row["parameter"] for row in json.loads(done.stdout)} == {
        "train.optimizer.lr", "train.batch_size", "train.label_smoothing"
    }  # fmt: skip
    texts = [e.text for e in ElementTree.parse("i.svg").iter() if e.tag.endswith("text")]
    assert "train.optimizer.lr" in texts
    assert harness_here(capsys, *given).stdout.startswith("| arm ")
    wrong = harness_here(capsys, *given, "--evaluator", "anova")
    assert wrong.returncode == 2
    assert "did you mean 'fanova'?" in wrong.stderr


def test_a_plan_without_a_search_has_nothing_to_weigh(tmp_path):
    from dataclasses import replace

    plan = replace(search(tmp_path, TEXT.format(trials=1)), search=None)
    with pytest.raises(UserError, match="has no `search:`"):
        importances(plan, places_in(tmp_path), "ped_anova", 20, print)
