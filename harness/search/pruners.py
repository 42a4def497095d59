"""Optuna's pruners by name. They see the objective after every epoch; `steps` are epochs.

`epochs` is how long the longest training takes: what Optuna would find out from the trials that
happen to end first is known beforehand here.
"""

from typing import Any

import optuna
from optuna.pruners import BasePruner

from harness.errors import UserError
from harness.planning.asking import pruner_of


def none(_epochs: int) -> BasePruner:
    """Every trial to its last epoch."""
    return optuna.pruners.NopPruner()


def median(
    _epochs: int,
    *,
    n_startup_trials: int = 5,
    n_warmup_steps: int = 0,
    interval_steps: int = 1,
    n_min_trials: int = 1,
) -> BasePruner:
    """Whose best epoch so far is worse than the median of the others' at this epoch."""
    return optuna.pruners.MedianPruner(
        n_startup_trials=n_startup_trials,
        n_warmup_steps=n_warmup_steps,
        interval_steps=interval_steps,
        n_min_trials=n_min_trials,
    )


def percentile(
    _epochs: int,
    *,
    percentile: float,
    n_startup_trials: int = 5,
    n_warmup_steps: int = 0,
    interval_steps: int = 1,
    n_min_trials: int = 1,
) -> BasePruner:
    """Whose best epoch so far is not among the best `percentile` of the others'."""
    return optuna.pruners.PercentilePruner(
        percentile=percentile,
        n_startup_trials=n_startup_trials,
        n_warmup_steps=n_warmup_steps,
        interval_steps=interval_steps,
        n_min_trials=n_min_trials,
    )


def successive_halving(
    epochs: int,
    *,
    min_resource: int | None = None,
    reduction_factor: int = 4,
    min_early_stopping_rate: int = 0,
    bootstrap_count: int = 0,
) -> BasePruner:
    """One in `reduction_factor` goes on at every rung (Li et al., MLSys 2020).

    `min_resource`, the epochs before the first rung, is a hundredth of a training at default.
    """
    return optuna.pruners.SuccessiveHalvingPruner(
        min_resource=max(1, epochs // 100) if min_resource is None else min_resource,
        reduction_factor=reduction_factor,
        min_early_stopping_rate=min_early_stopping_rate,
        bootstrap_count=bootstrap_count,
    )


def hyperband(
    epochs: int,
    *,
    min_resource: int = 1,
    max_resource: int | None = None,
    reduction_factor: int = 3,
    bootstrap_count: int = 0,
) -> BasePruner:
    """Brackets of successive halving (Li et al., JMLR 2018); `max_resource` is all epochs."""
    most = epochs if max_resource is None else max_resource
    if most < min_resource:
        raise UserError(f"min_resource: {min_resource} epochs, and a training has {most}")
    return optuna.pruners.HyperbandPruner(
        min_resource=min_resource,
        max_resource=most,
        reduction_factor=reduction_factor,
        bootstrap_count=bootstrap_count,
    )


def threshold(
    _epochs: int,
    *,
    lower: float | None = None,
    upper: float | None = None,
    n_warmup_steps: int = 0,
    interval_steps: int = 1,
) -> BasePruner:
    """Who falls below `lower`, rises above `upper`, or has no number."""
    try:
        return optuna.pruners.ThresholdPruner(
            lower=lower,
            upper=upper,
            n_warmup_steps=n_warmup_steps,
            interval_steps=interval_steps,
        )
    except TypeError as error:  # neither was given
        raise UserError(f"pruner 'threshold': {error}") from None


def patient(
    epochs: int, *, patience: int, wrapped: Any = "none", min_delta: float = 0.0
) -> BasePruner:
    """Whom `wrapped` would end, if the last `patience` epochs made it no better.

    Alone (`wrapped: none`), whoever got no better for so long.
    """
    inner = None if wrapped in ("none", None) else pruner_of(wrapped, epochs)
    return optuna.pruners.PatientPruner(inner, patience=patience, min_delta=min_delta)


def wilcoxon(_epochs: int, *, p_threshold: float = 0.1, n_startup_steps: int = 2) -> BasePruner:
    """Who is worse than the best trial, epoch by epoch, by a signed-rank test."""
    return optuna.pruners.WilcoxonPruner(p_threshold=p_threshold, n_startup_steps=n_startup_steps)
