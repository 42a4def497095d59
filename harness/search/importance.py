"""How much each dimension of a space decides about an objective, with bootstrap intervals.

From proposals and records alone, whatever the storage. An objective of several is looked at by
itself. Intervals are percentiles over trials drawn again with replacement: they say how far the
figure hangs on the trials that happened to be made, not how far a search explored.
"""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import optuna
from optuna.importance import BaseImportanceEvaluator
from optuna.trial import FrozenTrial, TrialState, create_trial

from harness.errors import UserError
from harness.places import Places
from harness.planning.asking import needs
from harness.planning.naming import study_name
from harness.planning.plan import Plan
from harness.planning.sweepfile import Objective
from harness.planning.task import Task
from harness.registry import hint
from harness.results.store import load
from harness.search.goals import measured
from harness.search.history import History

FEWEST = 4
ENOUGH = 50  # of which a tenth, PED-ANOVA's best trials, are five


@dataclass(frozen=True, kw_only=True)
class Importance:
    """Of one parameter for one objective of a search: shares that add up to 1."""

    arm: str
    dataset: str
    objective: str
    parameter: str
    importance: float
    low: float
    high: float
    trials: int


def ped_anova() -> BaseImportanceEvaluator:
    """What tells the best tenth of the trials from all (Watanabe et al., IJCAI 2023)."""
    return optuna.importance.PedAnovaImportanceEvaluator(
        target_quantile=0.1, region_quantile=1.0, evaluate_on_local=True
    )


def fanova() -> BaseImportanceEvaluator:
    """Shares of the variance of a random forest's predictions (Hutter et al., ICML 2014)."""
    needs("sklearn", "evaluator 'fanova'")
    return optuna.importance.FanovaImportanceEvaluator(n_trees=64, max_depth=64, seed=0)


EVALUATORS: dict[str, Callable[[], BaseImportanceEvaluator]] = {
    "ped_anova": ped_anova,
    "fanova": fanova,
}


def importances(
    plan: Plan, places: Places, evaluator: str, resamples: int, note: Callable[[str], None]
) -> list[Importance]:
    """Of every arm on every data set; a note where a search has too few trials."""
    if plan.search is None:
        raise UserError(f"{plan.name}: has no `search:`; there is nothing to weigh")
    if evaluator not in EVALUATORS:
        raise UserError(f"--evaluator {evaluator!r}: {hint(evaluator, list(EVALUATORS))}")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    judge, found = EVALUATORS[evaluator](), list[Importance]()
    for task in plan.tasks:
        for goal in plan.search.goals:
            trials = _done(plan, task, places, goal)
            name = f"{task.arm}, {goal.metric}"
            if len(trials) < FEWEST:
                note(f"{name}: {len(trials)} trials are done; {FEWEST} are needed at least")
                continue
            if evaluator == "ped_anova" and len(trials) < ENOUGH:
                note(f"{name}: {len(trials)} trials; a rough guess below {ENOUGH}")
            shares, doubts = _shares(trials, goal, judge)
            for doubt in doubts:
                note(f"{name}: {doubt}")
            dataset = f"{task.given(places).dataset}/{task.experiment.data.split}"
            found += [
                Importance(
                    arm=task.arm,
                    dataset=dataset,
                    objective=goal.metric,
                    parameter=parameter,
                    importance=shares[parameter],
                    low=low,
                    high=high,
                    trials=len(trials),
                )
                for parameter, low, high in _spread(shares, trials, goal, judge, resamples)
            ]
    return found


def _done(plan: Plan, task: Task, places: Places, goal: Objective) -> list[FrozenTrial]:
    """The trials that went through, each with its value of one objective."""
    folder, trials = places.runs / plan.name, []
    for proposal in History(folder, study_name(plan, task, places)):
        path = folder / proposal.key / "record.json"
        record = load(path) if path.is_file() else None
        if record is not None and record.status == "done":
            frozen = proposal.frozen()
            trials.append(
                create_trial(
                    state=TrialState.COMPLETE,
                    value=measured(goal.metric, record),
                    params=frozen.params,
                    distributions=frozen.distributions,
                )
            )
    return trials


def _spread(
    shares: Mapping[str, float],
    trials: Sequence[FrozenTrial],
    goal: Objective,
    judge: BaseImportanceEvaluator,
    resamples: int,
) -> Iterator[tuple[str, float, float]]:
    """The interval of each parameter's share, the most important parameter first."""
    draw = np.random.default_rng(0)
    drawn = [
        _shares([trials[i] for i in draw.integers(len(trials), size=len(trials))], goal, judge)[0]
        for _ in range(resamples)
    ]
    for name in sorted(shares, key=lambda name: (-shares[name], name)):
        low, high = np.percentile([again.get(name, 0.0) for again in drawn], [2.5, 97.5])
        yield name, float(low), float(high)


def _shares(
    trials: Sequence[FrozenTrial], goal: Objective, judge: BaseImportanceEvaluator
) -> tuple[dict[str, Any], list[str]]:
    """By parameter, and what Optuna warns of: too few trials of a kind, say."""
    study = optuna.create_study(direction=goal.direction)
    study.add_trials(trials)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always", UserWarning)
        try:
            shares = optuna.importance.get_param_importances(study, evaluator=judge)
        except RuntimeError as error:
            if "zero total variance" not in str(error):
                raise
            shares = {}  # all trials are equally good to fANOVA: no parameter mattered
    return shares, [str(warning.message) for warning in warned]
