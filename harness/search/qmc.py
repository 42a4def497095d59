"""Quasi-Monte Carlo: points that fill the space evenly (Bergstra and Bengio, JMLR 2012).

Optuna's own takes the space from the first trial that has ended, and draws at random until then:
what it proposes depends on who was faster. Here trial n takes the n-th point of its sequence.
"""

from collections.abc import Sequence
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import BaseSampler, QMCSampler, RandomSampler
from optuna.study import Study
from optuna.trial import FrozenTrial

from harness.planning.asking import Ask
from harness.planning.space import Dimension


def qmc(ask: Ask, *, seed: int = 0, qmc_type: str = "sobol", scramble: bool = False) -> BaseSampler:
    """A sequence that fills the space evenly: sobol or halton."""
    return Numbered(
        distributions(ask.space),
        qmc_type=qmc_type,
        scramble=scramble,
        seed=seed,
        independent_sampler=RandomSampler(seed=ask.seeded(seed)),
        warn_independent_sampling=False,
    )


class Numbered(QMCSampler):
    """The n-th point for trial n, whatever became of the others."""

    def __init__(self, space: dict[str, BaseDistribution], **options: Any) -> None:
        super().__init__(**options)
        self._space, self._number = space, 0

    def infer_relative_search_space(
        self, _study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        self._number = trial.number
        return self._space

    def _find_sample_id(self, _study: Study, _space: dict[str, BaseDistribution]) -> int:
        return self._number


class _Notes:
    """A trial that takes anything, and notes what it might have been."""

    def __init__(self) -> None:
        self.found: dict[str, BaseDistribution] = {}

    def suggest_categorical(self, name: str, choices: list[Any]) -> Any:
        self.found[name] = CategoricalDistribution(choices)
        return choices[0]

    def suggest_int(self, name: str, low: int, high: int, *, step: int, log: bool) -> int:
        self.found[name] = IntDistribution(low, high, log=log, step=step)
        return low

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None, log: bool
    ) -> float:
        self.found[name] = FloatDistribution(low, high, log=log, step=step)
        return low


def distributions(space: Sequence[Dimension]) -> dict[str, BaseDistribution]:
    """What Optuna calls the dimensions of a space."""
    notes = _Notes()
    for dimension in space:
        dimension.suggest(notes)
    return notes.found
