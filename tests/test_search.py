"""Searches: what comes first, several objectives, constraints, duplicates, spaces that end."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.trial import TrialState, create_trial
from searches import Notes, places_in, records, run, search, states, trials
from toy_executor import Toy, top1

from harness.coordination.retrying import set_unmeasured_aside
from harness.errors import UserError
from harness.planning.metrics import COSTS
from harness.planning.sweepfile import Objective
from harness.report.columns import COLUMNS
from harness.search import grid
from harness.search.confirm import best

LR = "    train.optimizer.lr: {float: [1e-4, 1e-2], log: true}\n"
SMALL = """  space:
    train.batch_size: {choice: [4, 12]}
    model.fusion.name: {choice: [sum, conv]}"""


def test_the_arm_s_own_values_are_trial_0_also_where_it_leaves_them_to_a_default(tmp_path):
    places = places_in(tmp_path)
    text = f"""  trials: 3
  sampler: random
  space:
{LR}    model.fusion.name: {{choice: [sum, conv]}}
  enqueue:
    - {{train.optimizer.lr: 2e-3}}
    - {{train.optimizer.lr: 1e-2, model.fusion.name: conv}}
"""
    plan = search(tmp_path, text, set="{train.optimizer: sgd}")
    assert "lr" not in plan.tasks[0].experiment.train.optimizer.options
    assert run(plan, places) == []
    first, second, third = trials(places)
    assert first.params == {"train.optimizer.lr": 1e-2, "model.fusion.name": '"conv"'}
    assert second.params["train.optimizer.lr"] == 2e-3
    assert third.params["train.optimizer.lr"] not in (1e-2, 2e-3)  # the same point is not twice


def test_a_choice_that_is_the_arm_s_own_in_other_words(tmp_path):
    places = places_in(tmp_path)
    text = "  trials: 1\n  space: {model.fusion: {choice: [sum, conv]}}"
    assert run(search(tmp_path, text), places) == []
    assert trials(places)[0].params == {"model.fusion": '"conv"'}


def test_own_values_outside_of_the_space_are_noted(tmp_path):
    text = "  trials: 1\n  sampler: random\n  space:\n    train.batch_size: {int: [4, 8]}\n"
    notes = run(search(tmp_path, text), places_in(tmp_path))
    assert notes == ["tiny: its own values are not trial 0: train.batch_size is 12"]


def test_a_repeated_proposal_counts(tmp_path):
    places = places_in(tmp_path)
    run(search(tmp_path, "  trials: 4\n  sampler: random\n" + SMALL), places)
    assert states(places) == {"COMPLETE": 4}
    assert len(records(places)) < 4
    told = {}
    for trial in trials(places):
        assert told.setdefault(str(trial.params), trial.value) == trial.value


@pytest.mark.parametrize(("duplicates", "told"), [("reuse", "COMPLETE"), ("resample", "FAIL")])
def test_a_repeated_proposal_uses_up_no_trial(duplicates, told, tmp_path):
    places = places_in(tmp_path)
    text = f"  trials: 4\n  sampler: random\n  duplicates: {duplicates}\n" + SMALL
    run(search(tmp_path, text), places)
    assert len(records(places)) == 4
    after = [trial.state.name for trial in trials(places)]
    assert len(after) > 4
    seen = set()
    for trial in trials(places):
        repeated = str(trial.params) in seen
        seen.add(str(trial.params))
        assert trial.state.name == (told if repeated else "COMPLETE")


@pytest.mark.parametrize("duplicates", ["count", "reuse", "resample"])
@pytest.mark.parametrize("sampler", ["random", "tpe", "grid"])
def test_a_search_of_a_small_space_ends_and_says_why(duplicates, sampler, tmp_path):
    places = places_in(tmp_path)
    text = f"  trials: 200\n  sampler: {sampler}\n  duplicates: {duplicates}\n" + SMALL
    [note] = run(search(tmp_path, text), places)
    assert "tiny: the space is exhausted: all of its 4 points were proposed" in note
    assert len(records(places)) == 4
    assert run(search(tmp_path, text), places) == [note]  # and nothing else the second time


@pytest.mark.parametrize(
    "sampler", ["grid", "{name: partial_fixed, fixed: {train.batch_size: 4}, base: grid}"]
)
def test_a_grid_is_made_once_for_all_trials(sampler, tmp_path, monkeypatch):
    made = []

    class Counted(grid.Numbered):
        def __init__(self, *given):
            made.append(given)
            super().__init__(*given)

    monkeypatch.setattr(grid, "Numbered", Counted)
    plan = search(tmp_path, f"  trials: 4\n  sampler: {sampler}\n{SMALL}")
    places = places_in(tmp_path)
    made.clear()  # one is made when the file is checked
    run(plan, places)
    assert len(made) == 1
    assert len(trials(places)) == 4


def test_two_ways_to_write_one_training_end_too(tmp_path):
    places = places_in(tmp_path)
    text = """  trials: 50
  duplicates: resample
  sampler: random
  space: {model.fusion: {choice: [conv, {name: conv}]}, train.label_smoothing: {choice: [0, 0.0]}}
"""
    notes = run(search(tmp_path, text), places)
    assert len(records(places)) == 1
    assert "exhausted" in notes[0]


OBJECTIVES = """  trials: 12
  sampler: {name: nsga_ii, population_size: 4}
  objectives:
    - val/top1
    - {metric: cost/params, direction: minimize}
  constraints: {cost/params: {max: 20}, val/top1: {min: 0.01}}
  space:
    train.optimizer.lr: {float: [1e-4, 1e-2], log: true}
    train.batch_size: {int: [4, 32]}
"""


def wide(cell):
    return {"params": float(cell.config["train"]["batch_size"])}


def test_several_objectives_are_told_in_order_with_their_constraints(tmp_path):
    places = places_in(tmp_path)
    run(search(tmp_path, OBJECTIVES), places, Toy(places.runs, cost=wide))
    for trial, record in zip(trials(places), records(places), strict=True):
        assert trial.values == [record.metrics["val/top1"], record.cost["params"]]
        assert trial.constraints == {
            "cost/params <= 20": record.cost["params"] - 20,
            "val/top1 >= 0.01": 0.01 - record.metrics["val/top1"],
        }
    [confirmed] = records(places, "confirm")
    feasible = [r for r in records(places) if r.cost["params"] <= 20]
    top = max(feasible, key=lambda r: r.metrics["val/top1"])
    assert confirmed.trial == top.trial  # of the first rank the best by the first objective


points = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=12)


@given(points, st.integers(1, 6), st.lists(st.booleans(), min_size=12, max_size=12))
def test_confirmed_are_the_best_by_rank_then_by_the_first_objective(values, k, broken):
    goals = [Objective(metric="val/top1"), Objective(metric="cost/params", direction="minimize")]
    given = [
        create_trial(values=v, state=TrialState.COMPLETE, constraints={"c": float(bad)},
                     params={}, distributions={}, user_attrs={})
        for v, bad in zip(values, broken, strict=False)
    ]  # fmt: skip
    for number, trial in enumerate(given):
        trial.number, trial.params = number, {"number": number}

    def beats(a, b):
        return a[0] >= b[0] and a[1] <= b[1] and a != b

    def ranks(among):
        left, rank = list(among), 0
        while left:
            front = [t for t in left if not any(beats(o.values, t.values) for o in left)]
            yield from (
                ((t.constraints["c"], rank, -t.values[0], t.values[1], t.number), t) for t in front
            )
            left, rank = [t for t in left if t not in front], rank + 1

    good = [t for t in given if t.constraints["c"] <= 0]
    bad = [t for t in given if t.constraints["c"] > 0]
    ordered = sorted(itertools.chain(ranks(good), ranks(bad)), key=lambda pair: pair[0])
    assert [t.number for t in best(given, goals, k, {t.number: str(t.number) for t in given})] == [
        t.number for _, t in ordered[:k]
    ]


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("objective: test/top1", 5, "objective: 'test/top1' is not a validation metric"),
        ("objective: cost/parms", 5, "'cost/parms' is not a cost; did you mean 'cost/params'?"),
        ("objectives: [val/top1, {metric: val/top7}]", 5, "'val/top7' is not a validation metric"),
        ("objectives: [val/top1, val/top1]", 5, "'val/top1' is named twice"),
        ("objectives: [{metric: val/top1, direction: lower}]", 5, "'lower' is not allowed"),
        ("constraints: {cost/param: {max: 3}}", 5, "did you mean 'cost/params'?"),
        ("constraints: {cost/params: {most: 3}}", 5, "expected {max: number}, {min: number} or"),
        ("constraints: {cost/params: {max: few}}", 5, "expected numbers, got {'max': 'few'}"),
        ("sampler: {name: tpe, seeds: 3}", 5, "seeds: sampler 'tpe' has no such option; did you"),
        ("sampler: {name: nsga_ii, crossover: ubx}", 5, "did you mean 'sbx'?"),
        ("sampler: {name: partial_fixed, fixed: {lr: 1}}", 5, "fixed: 'lr' is not in the space"),
        ("sampler: grid", 5, "train.optimizer.lr needs a step"),
        ("pruner: {name: medain}", 5, "no pruner named 'medain'; did you mean 'median'?"),
        ("pruner: {name: median, n_warmup: 2}", 5, "did you mean 'n_warmup_steps'?"),
        ("pruner: {name: hyperband, min_resource: 3}", 5, "3 epochs, and a training has 2"),
        ("pruner: median\n  objective: cost/params", 5, "one value a training, not one an epoch"),
        ("pruner: median\n  objectives: [val/top1, cost/params]", 5, "there are several: val/top1"),
        ("duplicates: skip", 5, "'skip' is not allowed"),
        ("batch: 0", 5, "must be at least 1, got 0"),
    ],
)  # fmt: skip
def test_mistakes_are_told_with_their_line(text, line, message, tmp_path):
    with pytest.raises(UserError) as error:
        search(tmp_path, f"  trials: 2\n  {text}\n  space:\n{LR}")
    assert f"s.yaml:{line}: search." in str(error.value)
    assert message in str(error.value)


def test_a_sampler_whose_package_is_absent_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setattr("harness.planning.asking.find_spec", lambda _: None)
    with pytest.raises(UserError, match=r"needs cmaes: pip install 'twostream-harness\[search\]'"):
        search(tmp_path, f"  trials: 2\n  sampler: cma_es\n  space:\n{LR}")


def test_the_costs_are_those_of_records():
    assert set(COSTS) == set(COLUMNS)


def test_an_objective_that_was_never_measured_is_named_with_what_there_is(tmp_path):
    places = places_in(tmp_path)
    plan = search(tmp_path, f"  trials: 2\n  objective: cost/energy_j\n  space:\n{LR}")
    with pytest.raises(UserError, match="'cost/energy_j' was not measured; .*cost/params"):
        run(plan, places)


def test_trials_that_were_not_asked_for_a_cost_are_made_again(tmp_path):
    """A search that asks for one only now: `harness sweep --update`."""
    places, text = places_in(tmp_path), "  trials: 2\n  sampler: random\n"
    run(search(tmp_path, f"{text}  space:\n{LR}"), places)
    before = {record.key for record in records(places)}
    constrained = "  constraints: {cost/latency_ms_p50: {max: 3}}\n"
    plan, notes = search(tmp_path, f"{text}{constrained}  space:\n{LR}"), Notes()
    toy = Toy(places.runs, cost=lambda _: {"latency_ms_p50": 2.0})
    set_unmeasured_aside(plan, places, notes.note)
    assert notes.notes == ["latency_ms_p50: not measured in 2 trials, which are set aside"]
    run(plan, places, toy)
    assert {cell.key for cell in toy.started if cell.stage == "search"} == before
    set_unmeasured_aside(plan, places, pytest.fail)


def test_what_searches_reported_is_what_records_say(tmp_path):
    places = places_in(tmp_path)
    run(search(tmp_path, f"  trials: 3\n  sampler: random\n  space:\n{LR}"), places)
    for trial, record in zip(trials(places), records(places), strict=True):
        assert trial.value == record.metrics["val/top1"]
        assert trial.value == pytest.approx(top1_of(record))


def top1_of(record):
    return top1(record, 1)["val/top1"]
