"""Search spaces: every value that Optuna proposes is one that the file allows."""

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import UserError
from harness.planning.asking import Ask, sampler_of
from harness.planning.entries import parse, wrong_conditions
from harness.planning.space import proposed, setting_of

optuna.logging.set_verbosity(optuna.logging.WARNING)


def proposals(dimensions, sampler="random", trials=10):
    study = optuna.create_study(sampler=sampler_of(sampler, Ask(space=dimensions)))
    for _ in range(trials):
        trial = study.ask()
        yield dict(proposed(dimensions, trial))
        study.tell(trial, 0.0)


@given(low=st.integers(1, 50), steps=st.integers(1, 50), step=st.integers(1, 7))
def test_integers_stay_on_their_grid(low, steps, step):
    dimension = parse("k", {"int": [low, low + steps * step], "step": step})
    for values in proposals([dimension]):
        assert low <= values["k"] <= low + steps * step
        assert (values["k"] - low) % step == 0


@given(low=st.floats(1e-6, 1.0), factor=st.floats(1.5, 1e4), log=st.booleans())
def test_floats_stay_in_their_range(low, factor, log):
    dimension = parse("k", {"float": [low, low * factor], "log": log})
    for values in proposals([dimension]):
        assert low <= values["k"] <= low * factor


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_choices_may_be_whole_components(sampler):
    choices = ["sum", {"name": "conv", "kernel_size": 3}, None, 1.5]
    dimension = parse("model.fusion", {"choice": choices})
    seen = [values["model.fusion"] for values in proposals([dimension], sampler, trials=4)]
    assert all(value in choices for value in seen)


CONDITIONAL = {
    "a": {"choice": ["x", "y", "z"]},
    "b": {"int": [1, 3], "when": {"a": ["x", "y"]}},
    "c": {"choice": [{"name": "conv"}, None], "when": {"b": 2}},
    "d": {"float": [0.0, 1.0], "when": {"c": [None], "a": "x"}},
}


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_a_dimension_is_proposed_exactly_where_its_conditions_hold(sampler):
    space = [parse(key, spec) for key, spec in CONDITIONAL.items()]
    seen = list(proposals(space, sampler, trials=60))
    for values in seen:
        assert ("b" in values) == (values["a"] in ("x", "y"))
        assert ("c" in values) == (values.get("b") == 2)
        assert ("d" in values) == ("c" in values and values["c"] is None and values["a"] == "x")
    assert len({tuple(values) for values in seen}) > 2


def test_a_trial_that_is_asked_again_proposes_the_same():
    space = [parse(key, spec) for key, spec in CONDITIONAL.items()]
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    for _ in range(10):
        trial = study.ask()
        first = proposed(space, trial)
        study.tell(trial, 0.0)
        again = optuna.trial.Trial(study, trial._trial_id)
        assert proposed(space, again) == first


def test_what_makes_a_dimension_apply_is_found_through_all_of_its_conditions():
    space = [parse(key, spec) for key, spec in CONDITIONAL.items()]
    for dimension in space:
        setting = setting_of(dimension, space)
        assert dimension.applies(dict(setting))
        known = {other.key: other for other in space}
        assert all(known[key].applies(dict(setting[:i])) for i, (key, _) in enumerate(setting))
    assert dict(setting) == {"a": "x", "b": 2, "c": None}


@pytest.mark.parametrize(
    ("changes", "place", "message"),
    [
        ({"b": {"int": [1, 3], "when": {"aa": "x"}}}, ("b", "when", "aa"), "did you mean 'a'?"),
        ({"b": {"int": [1, 3], "when": {"d": 1}}}, ("b", "when", "d"), "b -> d -> c -> b"),
        ({"b": {"int": [1, 3], "when": {"b": 1}}}, ("b", "when", "b"), "circle: b -> b"),
        ({"b": {"int": [1, 3], "when": {"a": "w"}}}, ("b", "when", "a"), "'w' is no value of it"),
        ({"c": {"choice": [1], "when": {"b": 4}}}, ("c", "when", "b"), "(int: [1, 3])"),
        ({"c": {"choice": [1], "when": {"b": True}}}, ("c", "when", "b"), "True is no value"),
        ({"a": {"int": [1, 2], "when": {"e": 1}}, "e": {"int": [1, 2]}}, ("a", "when", "e"),
         "stands below a"),
        ({"e": {"int": [1, 2], "when": {"d": 0.5}}}, ("e", "when", "d"), "is a float"),
    ],
)  # fmt: skip
def test_a_condition_that_cannot_hold_is_told_with_its_place(changes, place, message):
    space = [parse(key, spec) for key, spec in (CONDITIONAL | changes).items()]
    told = dict(wrong_conditions(space))
    assert message in told[place]


@pytest.mark.parametrize("when", ["a", ["a"], {"a": []}, 3])
def test_a_condition_is_a_key_and_its_values(when):
    with pytest.raises(UserError, match="when: expected `other.key: value`"):
        parse("b", {"int": [1, 3], "when": when})


@pytest.mark.parametrize(
    ("spec", "taken", "refused"),
    [
        ({"choice": ["a", {"name": "b"}]}, ["a", {"name": "b"}], ["b", 1, None]),
        ({"int": [2, 8], "step": 3}, [2, 5, 8], [3, 11, 2.0, True]),
        ({"float": [0.0, 1.0], "step": 0.1}, [0.3, 1, 0.7], [0.35, 1.1, "a", True]),
    ],
)
def test_a_dimension_takes_what_it_may_propose(spec, taken, refused):
    dimension = parse("k", spec)
    assert all(dimension.takes(value) for value in taken)
    assert not any(dimension.takes(value) for value in refused)


@pytest.mark.parametrize(
    ("spec", "given", "near"),
    [
        ({"choice": ["sum", "conv"]}, "cnov", "did you mean 'conv'?"),
        ({"choice": [8, 16]}, "18", "did you mean 8?"),
        ({"choice": ["sum"]}, "max", "it (choice: ['sum'])"),
        ({"int": [2, 8], "step": 3}, 7, "did you mean 8? (int: [2, 8], step 3)"),
        ({"int": [2, 8]}, 20, "did you mean 8?"),
        ({"float": [0.0, 1.0], "step": 0.1}, 0.28, "did you mean 0.3?"),
        ({"float": [0.5, 1.0]}, 0.1, "did you mean 0.5?"),
        ({"int": [2, 8]}, True, "True is no value of it (int"),
    ],
)
def test_a_value_that_is_not_taken_is_told_with_the_nearest(spec, given, near):
    assert near in parse("k", spec).refusal(given)


def test_all_that_is_wrong_with_an_entry_is_told():
    with pytest.raises(UserError) as error:
        parse("k", {"int": [3, 2], "log": True, "step": 1, "stop": 2, "when": 3})
    told = str(error.value).splitlines()
    assert [line.split()[0] for line in told] == ["'stop'", "int:", "int:", "when:"]
