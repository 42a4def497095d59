"""The contract of pruners: all of Optuna's, every argument written out, decisions on toy curves."""

import inspect

import optuna
import pytest

from harness.errors import UserError
from harness.planning import PRUNERS
from harness.planning.asking import pruner_of

EPOCHS = 9
# What Optuna would learn from the trials that end first follows from the epochs here.
OURS = {"max_resource": None, "min_resource": None, "wrapped": "none"}
OPTIONS = {  # with which the pruner ends a hopeless trial among good ones
    "percentile": {"percentile": 25.0},
    "patient": {"patience": 2},
    "threshold": {"lower": 0.2},
    "successive_halving": {"reduction_factor": 2},
    "hyperband": {"min_resource": 1, "reduction_factor": 3},
}


def class_of(name):
    return {"none": "NopPruner"}.get(name, name.title().replace("_", "") + "Pruner")


def test_every_pruner_of_optuna_is_in_the_table():
    classes = {n for n in optuna.pruners.__all__ if inspect.isclass(getattr(optuna.pruners, n))}
    assert {class_of(name) for name in PRUNERS} == classes - {"BasePruner"}


@pytest.mark.parametrize("name", PRUNERS)
def test_every_argument_is_written_out_with_optunas_default(name):
    parameters = inspect.signature(getattr(optuna.pruners, class_of(name))).parameters
    theirs = {k.replace("wrapped_pruner", "wrapped"): p.default for k, p in parameters.items()}
    ours = {k: p.default for k, p in PRUNERS.options(name).items()}
    assert ours.keys() == theirs.keys()
    assert all(ours[k] in (theirs[k], OURS.get(k, theirs[k])) for k in ours)


def curve(study, pruner, values):
    """The epochs of one trial that is asked about after each; the one that it ended with."""
    trial = study.ask()
    for epoch, value in enumerate(values, start=1):
        trial.report(value, epoch)
        if pruner.prune(study, study._storage.get_trial(trial._trial_id)):
            study.tell(trial, state=optuna.trial.TrialState.PRUNED)
            return epoch
    study.tell(trial, values[-1])
    return None


@pytest.mark.parametrize("name", PRUNERS)
def test_a_hopeless_trial_ends_and_a_good_one_goes_on(name):
    pruner = pruner_of({"name": name, **OPTIONS.get(name, {})}, EPOCHS)
    study = optuna.create_study(direction="maximize", pruner=pruner, study_name="study")
    good = [curve(study, pruner, [0.5 + 0.05 * e + 0.001 * i for e in range(EPOCHS)])
            for i in range(9)]  # fmt: skip
    ends = [curve(study, pruner, [0.1 - 0.01 * e for e in range(EPOCHS)]) for _ in range(3)]
    assert good[0] is None
    assert good[-1] is None
    assert all(end is None for end in ends) if name == "none" else any(ends), ends


def test_a_pruner_in_a_pruner():
    pruner = pruner_of({"name": "patient", "patience": 1, "wrapped": {"name": "median"}}, EPOCHS)
    assert isinstance(pruner._wrapped_pruner, optuna.pruners.MedianPruner)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("medain", "no pruner named 'medain'; did you mean 'median'?"),
        ({"name": "median", "n_warmup": 1}, "n_warmup: pruner 'median' has no such option"),
        ({"name": "median", "n_warmup_steps": "two"}, "n_warmup_steps: expected int, got 'two'"),
        ({"name": "percentile", "percentile": 200.0}, "Percentile must be between 0 and 100"),
        ({"name": "threshold"}, "pruner 'threshold': Either lower or upper must be specified"),
        ({"name": "patient", "patience": 1, "wrapped": 3}, "expected the name of a pruner"),
        ({"name": "percentile"}, "pruner 'percentile' needs the option 'percentile'"),
    ],
)
def test_what_is_refused(spec, message):
    with pytest.raises(UserError) as error:
        pruner_of(spec, EPOCHS)
    assert message in str(error.value)
