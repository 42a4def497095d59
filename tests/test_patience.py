"""A storage that goes away and comes back: nothing is lost, and nothing is done twice."""

import optuna
import pytest
from optuna.storages import InMemoryStorage
from optuna.trial import TrialState

from harness.errors import UserError
from harness.search.patience import patient


class LostError(ConnectionError):
    """What was asked for was done, and the answer did not arrive."""


class Lossy:
    """A storage whose operations `lost` names are done so many times without an answer."""

    def __init__(self, **lost):
        self.storage, self.lost = InMemoryStorage(), lost

    def __getattr__(self, name):
        def call(*given, **named):
            answer = getattr(self.storage, name)(*given, **named)
            if self.lost.get(name, 0):
                self.lost[name] -= 1
                if name == "create_new_trial":  # as Optuna's own attempts do
                    self.storage.create_new_trial(*given, **named)
                raise LostError
            return answer

        return call


def study_on(lossy, **how):
    how = {"meanwhile": lambda _: None, "note": lambda _: None} | how
    storage = patient(lossy, "there", **how)
    return optuna.create_study(storage=storage, study_name="s", load_if_exists=True)


def test_what_was_done_unanswered_is_not_done_twice():
    lossy = Lossy(create_new_trial=1, set_trial_state_values=2, create_new_study=1)
    study = study_on(lossy)
    for value in range(4):
        trial = study.ask()
        assert trial.number == value
        trial.suggest_float("x", 0, 1)
        study.tell(trial, value)
        assert len(lossy.storage.get_all_trials(0)) == max(2, value + 1)  # the second is a spare
    assert [t.value for t in study.trials] == [0, 1, 2, 3]


@pytest.mark.parametrize("lost", [{"create_new_trial": 1}, {"set_trial_state_values": 2}])
def test_a_proposal_of_the_user_is_not_lost_or_made_twice(lost):
    study = study_on(Lossy(**lost))
    study.enqueue_trial({"x": 0.25})
    asked = [study.ask() for _ in range(2)]
    values = [trial.suggest_float("x", 0, 1) for trial in asked]
    assert values[0] == 0.25
    assert values[1] != 0.25
    states = [trial.state for trial in study.trials]
    assert states.count(TrialState.WAITING) == 0
    assert states.count(TrialState.RUNNING) == 2


def test_after_the_limit_it_is_an_error_that_says_how_to_go_on():
    study = study_on(Lossy(get_all_trials=10**6), seconds=0)
    with pytest.raises(UserError, match="there has not answered for 0 minutes .*same command"):
        study.get_trials()


def test_what_is_wrong_is_not_tried_again():
    notes = []
    study = study_on(Lossy(), note=notes.append)
    with pytest.raises(KeyError):
        study._storage.get_trial(99)
    assert notes == []
