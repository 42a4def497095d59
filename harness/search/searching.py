"""The search of one task: Optuna proposes, the records decide what Optuna knows.

The storage is settled from history and records whenever a search starts, so a coordinator that was
killed loses nothing: a trial that was running keeps its number and its parameters, its cell keeps
its key, and the training goes on from its checkpoint.

Trials are asked for in batches, of one unless the search is deterministic, and those of a batch
are told in the order of their numbers when all of them have ended.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from math import inf

import optuna
from optuna.storages import BaseStorage
from optuna.trial import FixedTrial, TrialState

from harness.cell import Cell
from harness.places import Places
from harness.planning.asking import Ask, longest, pruner_of, sampler_of
from harness.planning.naming import study_name
from harness.planning.plan import Plan
from harness.planning.space import Suggests, proposed
from harness.planning.sweepfile import Search
from harness.planning.task import Task
from harness.results.record import Record
from harness.results.store import record_of
from harness.search.confirm import best
from harness.search.first import first_points
from harness.search.goals import watched
from harness.search.history import History, Proposal
from harness.search.ledger import Ledger
from harness.search.pruning import Pruning
from harness.search.study import drawn, study_of
from harness.search.telling import tell

Note = Callable[[str], None]


class Searching:
    """A queue of one task: its trials, then the confirmation of the best of them.

    `videos` is the hash of what all of them are trained on, where that is known.
    """

    def __init__(
        self,
        plan: Plan,
        task: Task,
        search: Search,
        places: Places,
        storage: BaseStorage,
        note: Note,
        *,
        videos: str | None = None,
    ) -> None:
        self.plan, self.task, self.search, self.places, self.note = plan, task, search, places, note
        self.folder = places.runs / plan.name
        self.batch = search.batch if search.deterministic else 1
        pruner = pruner_of(search.pruner, longest(task.experiment.train.epochs, plan.space))
        name = study_name(plan, task, places)
        self.history = History(self.folder, name)
        self.study = study_of(storage, name, search.goals, pruner)
        if self.history.outlived(self.study.get_trials(deepcopy=False), self.folder, videos):
            optuna.delete_study(study_name=name, storage=storage)
            self.study = study_of(storage, name, search.goals, pruner)
        self.pruning = Pruning(self.study, watched(search), self.batch, videos)
        self.ledger = Ledger(search, plan.space, self.folder)
        self.first = first_points(task, plan.space, search.enqueue, note)
        self.asking = Ask(space=plan.space, first=self.first, objectives=len(search.goals))
        self._open: dict[str, list[int]] = {}  # by cell key: the trials that wait for its record
        self._ended: dict[int, Record] = {}  # of a batch of which others are at work
        self._cells: deque[Cell] = deque()  # to be handed out
        self._confirm: deque[Cell] | None = None
        self._said = False
        self._settle()
        ended = (TrialState.COMPLETE, TrialState.PRUNED)
        self.before = len(self.study.get_trials(deepcopy=False, states=ended))
        self.failed = [*self._failed()]

    @property
    def total(self) -> int:
        trials = self.search.limit.trials or self.ledger.trials  # else nobody knows beforehand
        return trials + min(self.plan.confirm.top_k, trials) * len(self.plan.confirm.seeds)

    @property
    def finished(self) -> bool:
        return self._confirm is not None and not self._confirm

    def next(self) -> Cell | None:
        if not self._cells and (self.batch == 1 or not self._open):
            self._ask_batch()
        if self._cells:
            return self._cells.popleft()
        if self._open:
            return None
        if self._confirm is None:
            self._confirm = deque(self._best())
        return self._confirm.popleft() if self._confirm else None

    def tell(self, cell: Cell, record: Record) -> None:
        """A trial that proposed what another had proposed is told the same value."""
        for number in self._open.pop(cell.key, []):
            self._ended[number] = record
        self._tell_ended()

    def report(self, cell: Cell, epoch: int, metrics: Mapping[str, float | None]) -> bool:
        """Of trials that share a cell the first decides; what is confirmed is never pruned."""
        numbers = self._open.get(cell.key)
        return self.pruning.report(numbers[0], epoch, metrics) if numbers else False

    def _tell_ended(self) -> None:
        """In the order of numbers; of a batch only when all before its end have ended."""
        for number in sorted(number for number in self._ended if number < self._edge()):
            record = self._ended.pop(number)
            self.pruning.recover(number, self.folder / record.key / "log.jsonl")
            tell(self.study, number, self.search, record)
            self.ledger.count(number, record.key)

    def _edge(self) -> float:
        """The first number of the first batch that is not whole yet."""
        if self.batch == 1:
            return inf
        asked = self.ledger.number
        edge = asked if self._over() else asked - asked % self.batch
        at_work = (number for numbers in self._open.values() for number in numbers)
        return min([edge, *(number - number % self.batch for number in at_work)])

    def _settle(self) -> None:
        """Bring the storage to what history and records say."""
        waiting = self._refill()
        # What has ended is told first: what is judged then is judged by what was known before.
        at_work = [proposal for proposal in waiting if not self._take_up(proposal)]
        self._tell_ended()
        for proposal in at_work:
            self._hand_out(self._cell(FixedTrial(proposal.params), proposal.number))
        if self.ledger.number % self.batch:  # a batch that was not asked for to its end
            self._ask_batch()

    def _refill(self) -> list[Proposal]:
        """History and storage with the same trials; those of them that wait for a record."""
        trials, waiting = self.study.get_trials(deepcopy=False), list[Proposal]()
        for trial in [trial for trial in trials if trial.number not in self.history]:
            cell = self._cell(FixedTrial(trial.params), trial.number)
            self.history.add(Proposal.of(trial, self.study.study_name, cell.key))
        for proposal in self.history:
            repeated = self.ledger.add(proposal.key, proposal.point)
            if proposal.number >= len(trials):
                self.study.add_trial(proposal.frozen())
            elif trials[proposal.number].state.is_finished():
                self.ledger.count(proposal.number, proposal.key)
                continue
            if self._opened(proposal, repeated):
                waiting.append(proposal)
        return waiting

    def _take_up(self, proposal: Proposal) -> bool:
        """Whether it has ended without being told, which it is to be now."""
        record = record_of(self.folder / proposal.key)
        if record is None:
            return False
        self._ended[proposal.number] = record
        self._open.pop(proposal.key, None)
        return True

    def _ask_batch(self) -> None:
        """As many trials as make a batch whole, of which one at least is to be trained."""
        while not self._over():
            self._ask()
            if self.ledger.number % self.batch == 0 and self._cells:
                return

    def _ask(self) -> None:
        number = self.ledger.number
        first = self.first[number] if number < len(self.first) else None
        self.study.sampler = sampler_of(self.search.sampler, replace(self.asking, trial=number))
        trial, hand = drawn(self.study, self.study.sampler, number, first)
        cell = self._cell(hand, number)
        proposal = Proposal.of(trial, self.study.study_name, cell.key)
        self.history.add(proposal)
        self.study.add_trial(proposal.frozen())
        if self._opened(proposal, self.ledger.add(cell.key, proposal.point)):
            self._hand_out(cell)

    def _hand_out(self, cell: Cell) -> None:
        """What its log says already is told first, to the one that leads if trials share it."""
        leads = self._open[cell.key][0]
        if cell.trial == leads:
            self.pruning.recover(leads, self.folder / cell.key / "log.jsonl")
        self._cells.append(cell)

    def _opened(self, proposal: Proposal, repeated: bool) -> bool:
        """Whether a proposal waits for a record; one that is asked for anew does not."""
        if repeated and self.search.duplicates == "resample":
            self.study.tell(proposal.number, state=TrialState.FAIL)
            return False
        self._open.setdefault(proposal.key, []).append(proposal.number)
        return True

    def _failed(self) -> Iterator[str]:
        """The cells that failed before: they stay visible however often the plan is launched."""
        for trial in self.study.get_trials(deepcopy=False, states=(TrialState.FAIL,)):
            record = record_of(self.folder / self.history[trial.number].key)
            if record is not None and record.status == "failed":
                yield record.key

    def _over(self) -> bool:
        """Whether there is nothing more to ask for; said once if that comes before the budget."""
        spent = self.ledger.spent
        why = "" if spent else self.ledger.exhausted
        if why and not self._said:
            self._said = True
            self.note(f"{self.task.arm}: {why}, before its budget was spent: {self.search.limit}")
        return spent or bool(why)

    def _cell(self, trial: Suggests, number: int, seed: int | None = None) -> Cell:
        """Of a trial that chooses, or with a fresh seed of one that was chosen."""
        task = self.task.changed(proposed(self.plan.space, trial), f"trial {number}")
        stage = "search" if seed is None else "confirm"
        seed = self.plan.search_seed(task) if seed is None else seed
        return task.cell(self.places, self.plan.name, seed, trial=number, stage=stage)

    def _best(self) -> Iterator[Cell]:
        done = self.study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        keys = {trial.number: self.history[trial.number].key for trial in done}
        for chosen in best(done, self.search.goals, self.plan.confirm.top_k, keys):
            for seed in self.plan.confirm.seeds:
                yield self._cell(FixedTrial(chosen.params), chosen.number, seed)
