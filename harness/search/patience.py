"""A storage behind a network may go away and come back; the search waits, its trainings go on.

Whatever fails because nobody answers is tried again with growing pauses. What was done although its
answer was lost is not done twice: the coordinator is the only writer of its studies, so that what
is there and unknown is its own.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar, cast

from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from harness.errors import UserError
from harness.results.secrets import redact

SECONDS = 600.0
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 30.0  # each is twice the one before
# By name, so that no driver is imported: SQLAlchemy's, those below it, the system's.
NOBODY_ANSWERS = {"OperationalError", "InterfaceError", "ConnectionError"}
NOBODY_ANSWERS_GRPC = {"UNAVAILABLE", "DEADLINE_EXCEEDED", "UNKNOWN"}  # the last: nor does its base

Meanwhile = Callable[[float], None]
Note = Callable[[str], None]
T = TypeVar("T")


def patient(
    storage: BaseStorage, name: str, *, meanwhile: Meanwhile, note: Note, seconds: float = SECONDS
) -> BaseStorage:
    """The same storage, waited for up to `seconds`; `meanwhile` is how the time is spent."""
    return cast("BaseStorage", Patient(storage, name, meanwhile, note, seconds))


class Patient:
    """Has every operation of its storage, which is all that Optuna asks of one."""

    def __init__(
        self, storage: BaseStorage, name: str, meanwhile: Meanwhile, note: Note, seconds: float
    ) -> None:
        self._storage, self._name, self._seconds = storage, name, seconds
        self._meanwhile, self._note = meanwhile, note
        self._known: dict[int, int] = {}  # by study: how many trials we have heard of
        self._spare: dict[int, list[int]] = defaultdict(list)

    def __getattr__(self, name: str) -> Any:
        operation = getattr(self._storage, name)
        return lambda *given, **named: self._insist(lambda _: operation(*given, **named))

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        """Trials that are there unheard of come from attempts whose answers were lost.

        Optuna too tries again by itself, so that there may be several. Blank ones serve the next
        calls; further copies of a template have failed.
        """
        if template_trial is None and self._spare[study_id]:
            return self._spare[study_id].pop(0)
        if study_id not in self._known:
            self._known[study_id] = self._insist(lambda _: self._storage.get_n_trials(study_id))
        known = self._known[study_id]

        def create(again: bool) -> list[int]:
            if not again or self._storage.get_n_trials(study_id) == known:
                made = self._storage.create_new_trial(study_id, template_trial)
                if self._storage.get_trial_number_from_id(made) == known:
                    return [made]
            trials = self._storage.get_all_trials(study_id, deepcopy=False)
            return [trial._trial_id for trial in trials[known:]]

        first, *others = self._insist(create)
        self._known[study_id] += 1 + len(others)
        if template_trial is None:
            self._spare[study_id] += others
        else:
            for trial_id in others:
                self.set_trial_state_values(trial_id, TrialState.FAIL)
        return first

    def set_trial_state_values(
        self, trial_id: int, state: TrialState, values: Sequence[float] | None = None
    ) -> bool:
        """A trial that has the state already got it from an attempt whose answer was lost."""

        def change(again: bool) -> bool:
            try:
                done = self._storage.set_trial_state_values(trial_id, state, values)
            except UpdateFinishedTrialError:
                done = False
                if not again:
                    raise
            return done or (again and self._storage.get_trial(trial_id).state == state)

        return self._insist(change)

    def _insist(self, operation: Callable[[bool], T]) -> T:
        """The operation, told whether it may have been done before."""
        began = time.monotonic()
        for attempt, pause in enumerate(_pauses()):
            try:
                answer = operation(attempt > 0)
            except Exception as error:
                if not nobody_answers(error):
                    raise
                if attempt == 0:
                    self._note(f"storage: {self._name} does not answer; trainings go on")
                if time.monotonic() - began > self._seconds:
                    raise self._given_up(error) from None  # whose text may hold what is secret
                self._meanwhile(pause)
            else:
                if attempt > 0:
                    self._note(f"storage: {self._name} answers again")
                return answer
        raise AssertionError("pauses never end")

    def _given_up(self, error: BaseException) -> UserError:
        return UserError(
            f"storage: {self._name} has not answered for {self._seconds / 60:.3g} minutes "
            f"({first_line(error)}); nothing is lost: once it is back, the same command goes on"
        )


def nobody_answers(error: BaseException) -> bool:
    """Whether an operation failed for want of an answer, rather than by being wrong."""
    for cause in _causes(error):
        names = {kind.__name__ for kind in type(cause).__mro__}
        if names & NOBODY_ANSWERS:
            return True
        if "RpcError" in names and hasattr(cause, "code"):
            return cause.code().name in NOBODY_ANSWERS_GRPC
    return False


def first_line(error: BaseException) -> str:
    """What the innermost cause says, without secrets."""
    *_, cause = _causes(error)
    text = cause.details() if hasattr(cause, "details") else str(cause)
    return str(redact((text.splitlines() or [type(cause).__name__])[0]))


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def _pauses() -> Iterator[float]:
    pause = FIRST_PAUSE
    while True:
        yield pause
        pause = min(2 * pause, LONGEST_PAUSE)
