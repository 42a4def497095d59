"""Optuna's samplers by name; those that take more than a few lines have files of their own.

Left out of every one: arguments that Optuna is about to remove, functions, which YAML cannot hold,
and warnings of what a search does on purpose.
"""

from typing import Any

import optuna
from optuna.samplers import BaseSampler, RandomSampler

from harness.errors import UserError
from harness.planning.asking import Ask, needs, sampler_of
from harness.registry import hint


def tpe(
    ask: Ask,
    *,
    seed: int = 0,
    n_startup_trials: int = 10,
    n_ei_candidates: int = 24,
    multivariate: bool | None = None,
    group: bool = False,
    constant_liar: bool = True,
) -> BaseSampler:
    """Tree-structured Parzen estimator (Bergstra et al., NIPS 2011).

    `multivariate: null` is true with one objective and false with several.
    """
    return optuna.samplers.TPESampler(
        seed=ask.seeded(seed),
        n_startup_trials=n_startup_trials,
        n_ei_candidates=n_ei_candidates,
        multivariate=ask.objectives == 1 if multivariate is None else multivariate,
        group=group,
        constant_liar=constant_liar,
    )


def random(ask: Ask, *, seed: int = 0) -> BaseSampler:
    """Every value drawn by itself."""
    return RandomSampler(seed=ask.seeded(seed))


def brute_force(ask: Ask, *, seed: int = 0, avoid_premature_stop: bool = False) -> BaseSampler:
    """Every point of a finite space, also where dimensions depend on others."""
    for dimension in ask.space:
        if dimension.kind == "float" and dimension.step is None:
            raise UserError(f"{dimension.key} needs a step: brute_force takes every value in turn")
    return optuna.samplers.BruteForceSampler(
        seed=ask.seeded(seed), avoid_premature_stop=avoid_premature_stop
    )


def cma_es(
    ask: Ask,
    *,
    seed: int = 0,
    n_startup_trials: int = 1,
    popsize: int | None = None,
    consider_pruned_trials: bool = False,
    use_separable_cma: bool = False,
    with_margin: bool = False,
    lr_adapt: bool = False,
) -> BaseSampler:
    """Evolution strategy with covariance adaptation (Hansen, 2016); choices are drawn at random."""
    needs("cmaes", "sampler 'cma_es'")
    if ask.objectives > 1:
        raise UserError("sampler 'cma_es' takes one objective")
    return optuna.samplers.CmaEsSampler(
        seed=ask.seeded(seed),
        n_startup_trials=n_startup_trials,
        independent_sampler=RandomSampler(seed=ask.seeded(seed)),
        warn_independent_sampling=False,
        popsize=popsize,
        consider_pruned_trials=consider_pruned_trials,
        use_separable_cma=use_separable_cma,
        with_margin=with_margin,
        lr_adapt=lr_adapt,
    )


def gp(
    ask: Ask,
    *,
    seed: int = 0,
    n_startup_trials: int = 10,
    deterministic_objective: bool = False,
) -> BaseSampler:
    """Gaussian process with expected improvement."""
    return optuna.samplers.GPSampler(
        seed=ask.seeded(seed),
        n_startup_trials=n_startup_trials,
        independent_sampler=RandomSampler(seed=ask.seeded(seed)),
        deterministic_objective=deterministic_objective,
        warn_independent_sampling=False,
    )


def partial_fixed(ask: Ask, *, fixed: dict[str, Any], base: Any = "tpe") -> BaseSampler:
    """Another sampler, `base`, with some keys of the space held at one value."""
    dimensions = {dimension.key: dimension for dimension in ask.space}
    for key, value in fixed.items():
        if key not in dimensions:
            raise UserError(f"fixed: {key!r} is not in the space; {hint(key, list(dimensions))}")
        if not dimensions[key].takes(value):
            raise UserError(f"fixed: {key}: {value!r} is not one of its values")
    held = {key: dimensions[key].stored(value) for key, value in fixed.items()}
    return optuna.samplers.PartialFixedSampler(held, sampler_of(base, ask))
