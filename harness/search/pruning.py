"""Which trial ends early: the coordinator reports the objective after every epoch, and asks.

With batches, a trial is held against trials of batches that have ended and against its own past
only, so that it makes no difference who of its own batch is faster.
"""

from collections.abc import Container, Mapping
from pathlib import Path
from typing import Any, cast

from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from harness.planning.sweepfile import Objective
from harness.search.epochs import epochs_of
from harness.search.goals import logged
from harness.search.study import Study


class Pruning:
    """`batch` trials are not seen by each other; with 1 all are. `videos`: what they train on."""

    def __init__(
        self, study: Study, goal: Objective | None, batch: int, videos: str | None
    ) -> None:
        self.study, self.goal, self.batch, self.videos = study, goal, batch, videos
        self._heard: set[int] = set()  # the trials whose epochs come as they are trained

    def report(self, number: int, epoch: int, metrics: Mapping[str, float | None]) -> bool:
        """Whether the trial ends with this epoch; one that was told before is not told again."""
        if self.goal is None:
            return False
        self._heard.add(number)
        return self._take(self.goal, number, epoch, metrics)

    def recover(self, number: int, log: Path) -> None:
        """Tell the storage the epochs of a cell's log that it lost or never heard of."""
        if self.goal is None or number in self._heard:
            return
        for line in epochs_of(log, self.videos):
            if self.goal.metric in line.get("metrics", {}):
                self._take(self.goal, number, line["epoch"], line["metrics"])

    def _take(
        self, goal: Objective, number: int, epoch: int, metrics: Mapping[str, float | None]
    ) -> bool:
        trial, step = self.study.stored(number), epoch - 1  # Optuna counts from 0
        if step not in trial.intermediate_values:
            value = logged(goal, metrics)
            self.study._storage.set_trial_intermediate_value(trial._trial_id, step, value)
            trial = self.study.stored(number)
        if step != trial.last_step:  # gone through once already, and it was to go on
            return False
        return self.study.pruner.prune(self._seen_by(number), trial)

    def _seen_by(self, number: int) -> Study:
        if self.batch == 1:
            return self.study
        study = self.study
        return Study(
            study_name=study.study_name,
            storage=cast(BaseStorage, Ended(study._storage, number, self.batch)),
            sampler=study.sampler,
            pruner=study.pruner,
        )


class Ended:
    """A storage in which one trial sees itself and the batches before its own."""

    def __init__(self, storage: BaseStorage, number: int, batch: int) -> None:
        self._storage, self._number, self._batch = storage, number, batch

    def __getattr__(self, name: str) -> Any:
        return getattr(self._storage, name)

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        first = self._number - self._number % self._batch
        trials = self._storage.get_all_trials(study_id, deepcopy=deepcopy, states=states)
        return [t for t in trials if t.number < first or t.number == self._number]
