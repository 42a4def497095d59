"""Optuna's study as a queue uses it: asked and told by number, never `optimize`d."""

from collections.abc import Container, Mapping, Sequence
from typing import Any, cast

import optuna
from optuna.distributions import BaseDistribution
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial

from harness.planning.sweepfile import Objective

HELD = -1  # the id of a trial that is not in the storage yet


class Study(optuna.Study):
    """A study whose samplers cannot stop it: when a search ends is for its queue to say."""

    def stop(self) -> None:
        """Optuna would refuse, since there is no `optimize` to be stopped."""

    def id_of(self, number: int) -> int:
        return self._storage.get_trial_id_from_study_id_trial_number(self._study_id, number)

    def stored(self, number: int) -> FrozenTrial:
        return self._storage.get_trial(self.id_of(number))

    def trial(self, number: int) -> Trial:
        return Trial(self, self.id_of(number))


def study_of(
    storage: BaseStorage, name: str, goals: Sequence[Objective], pruner: BasePruner
) -> Study:
    """The study of this name; it is made where there is none."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        storage=storage,
        study_name=name,
        directions=[goal.direction for goal in goals],
        load_if_exists=True,
    )
    return Study(study_name=name, storage=study._storage, pruner=pruner)


def drawn(
    study: Study, sampler: BaseSampler, number: int, first: Mapping[str, Any] | None
) -> tuple[FrozenTrial, Trial]:
    """The next trial: what has been drawn of it so far, and the hand that draws.

    It is held in memory until it is whole and written down, so that no kill can leave a part of it.
    `first` is what it takes instead of what the sampler would propose; `Study.ask` would look for
    such points among all trials, every time.
    """
    fixed = {} if first is None else {"fixed_params": dict(first)}
    trial = create_trial(state=TrialState.RUNNING, system_attrs=fixed)
    trial.number, trial._trial_id = number, HELD
    storage = cast(BaseStorage, _Holding(study._storage, trial))
    beside = Study(
        study_name=study.study_name, storage=storage, sampler=sampler, pruner=study.pruner
    )
    return trial, Trial(beside, HELD)


class _Holding:
    """A storage and one trial that is not in it yet."""

    def __init__(self, storage: BaseStorage, trial: FrozenTrial) -> None:
        self._storage, self._trial = storage, trial

    def __getattr__(self, name: str) -> Any:
        return getattr(self._storage, name)

    def get_trial(self, trial_id: int) -> FrozenTrial:
        return self._trial if trial_id == HELD else self._storage.get_trial(trial_id)

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        trials = self._storage.get_all_trials(study_id, deepcopy=deepcopy, states=states)
        return [*trials, self._trial] if states is None or self._trial.state in states else trials

    def get_trial_system_attrs(self, trial_id: int) -> dict[str, Any]:
        return self.get_trial(trial_id).system_attrs

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        if trial_id == HELD:
            self._trial.system_attrs[key] = value
        else:
            self._storage.set_trial_system_attr(trial_id, key, value)

    def set_trial_param(
        self, trial_id: int, param_name: str, value: float, distribution: BaseDistribution
    ) -> None:
        """The trial that is held notes its parameters itself."""
