"""Every combination of a finite space once, in an order that the seed alone decides.

Optuna's own looks for combinations that nobody has begun, among all trials, whenever it is asked
and told: what it proposes depends on who was faster, and 10,000 trials cost 10^8 looks. Here trial
n takes the n-th combination that was not enqueued.
"""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from optuna.samplers import BaseSampler, GridSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from harness.errors import UserError
from harness.planning.asking import Ask
from harness.planning.space import Dimension


def grid(ask: Ask, *, seed: int = 0) -> BaseSampler:
    """Every combination of a finite space, shuffled."""
    if "grid" not in ask.kept:
        ask.kept["grid"] = Numbered({d.key: _values(d) for d in ask.space}, seed, ask.first)
    return cast(BaseSampler, ask.kept["grid"])


def _values(dimension: Dimension) -> list[Any]:
    values = dimension.finite()
    if values is None:
        raise UserError(f"{dimension.key} needs a step: grid takes every value in turn")
    return [dimension.stored(value) for value in values]


class Numbered(GridSampler):
    """`first`: the points that trials 0, 1, ... take; a grid leaves them out."""

    def __init__(
        self, space: dict[str, list[Any]], seed: int, first: Sequence[Mapping[str, Any]]
    ) -> None:
        super().__init__(space, seed=seed)
        done = {tuple(point.get(name) for name in self._param_names) for point in first}
        self._first = len(first)
        self._left = [i for i, point in enumerate(self._all_grids) if tuple(point) not in done]

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Past the end it begins again; the queue of a search ends before that."""
        left = self._left or range(len(self._all_grids))
        place = left[max(0, trial.number - self._first) % len(left)]
        study._storage.set_trial_system_attr(trial._trial_id, "grid_id", place)

    def after_trial(
        self,
        _study: Study,
        _trial: FrozenTrial,
        _state: TrialState,
        _values: Sequence[float] | None,
    ) -> None:
        """Nothing: when a search ends is for its queue to say."""
