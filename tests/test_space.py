"""Search spaces: every value that Optuna proposes is one that the file allows."""

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.planning import SAMPLERS
from harness.planning.space import parse

optuna.logging.set_verbosity(optuna.logging.WARNING)


def proposals(dimensions, sampler="random", trials=10):
    study = optuna.create_study(sampler=SAMPLERS[sampler](seed=0))
    for _ in range(trials):
        trial = study.ask()
        yield {d.key: d.suggest(trial) for d in dimensions}
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


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_choices_may_be_whole_components(sampler):
    choices = ["sum", {"name": "conv", "kernel_size": 3}, None, 1.5]
    dimension = parse("model.fusion", {"choice": choices})
    seen = [values["model.fusion"] for values in proposals([dimension], sampler, trials=4)]
    assert all(value in choices for value in seen)
