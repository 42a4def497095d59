"""Optuna's samplers by name."""

import optuna
from optuna.samplers import BaseSampler


def tpe(
    *,
    seed: int = 0,
    n_startup_trials: int = 10,
    n_ei_candidates: int = 24,
    multivariate: bool = True,
    group: bool = False,
    constant_liar: bool = True,
) -> BaseSampler:
    """Tree-structured Parzen estimator (Bergstra et al., NIPS 2011); Optuna 5's defaults, fixed."""
    return optuna.samplers.TPESampler(
        seed=seed,
        n_startup_trials=n_startup_trials,
        n_ei_candidates=n_ei_candidates,
        multivariate=multivariate,
        group=group,
        constant_liar=constant_liar,
    )


def random(*, seed: int = 0) -> BaseSampler:
    return optuna.samplers.RandomSampler(seed=seed)
