"""What Optuna is told of a record: values and constraints, or that there is none."""

from optuna.trial import TrialState

from harness.planning.sweepfile import Search
from harness.results.record import Record
from harness.search.goals import values_of, violations
from harness.search.study import Study


def tell(study: Study, number: int, search: Search, record: Record) -> None:
    """Optuna takes a pruned trial for what it was worth at its last epoch."""
    if record.status == "done":
        _constrain(study, number, violations(search, record))
        study.tell(number, values_of(search, record))
    else:
        pruned = record.status == "pruned"
        study.tell(number, state=TrialState.PRUNED if pruned else TrialState.FAIL)


def _constrain(study: Study, number: int, found: dict[str, float]) -> None:
    """Each once: a kill may have come between a constraint and the value."""
    if not found:
        return
    trial = study.trial(number)
    for name in found.keys() - trial.constraints.keys():
        trial.set_constraint(name, found[name])
