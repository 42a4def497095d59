"""The search of one task: Optuna proposes, the records decide what Optuna knows.

The storage is settled from history and records whenever a search starts, so a coordinator that was
killed loses nothing: a trial that was running keeps its number and its parameters, its cell keeps
its key, and the training goes on from its checkpoint.
"""

from collections import deque
from collections.abc import Iterator, Mapping

import optuna
from optuna.distributions import distribution_to_json
from optuna.samplers import BaseSampler
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, Trial, TrialState

from harness.cell import Cell
from harness.config.schema import plain
from harness.errors import UserError
from harness.files import digest, read_json_lines
from harness.places import Places
from harness.planning import SAMPLERS
from harness.planning.budget import Use, use_of
from harness.planning.plan import Plan
from harness.planning.search.history import History, Proposal
from harness.planning.space import Dimension, proposed
from harness.planning.sweepfile import Search
from harness.planning.task import Task
from harness.results.record import Record
from harness.results.store import folder_of, load


class Searching:
    """A queue of one task: its trials, then the confirmation of the best of them."""

    def __init__(
        self, plan: Plan, task: Task, search: Search, places: Places, storage: BaseStorage
    ):
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.plan, self.task, self.search, self.places = plan, task, search, places
        dataset = task.cell(places, plan.name, 0).dataset
        name = f"{task.arm} | {dataset} | {task.experiment.data.split} | {self._what()}"
        self.study = self._study(storage, name)
        self._open: dict[str, list[Trial]] = {}  # by cell key: the trials that wait for its record
        self._confirm: deque[Cell] | None = None
        self.history = History(places.runs / plan.name, name)
        trials = self.study.get_trials(deepcopy=False)
        if self.history.outlived(trials, places.runs / plan.name):
            optuna.delete_study(study_name=name, storage=storage)
            self.study = self._study(storage, name)
        self._settle()
        for params in search.enqueue:
            self.study.enqueue_trial(stored(params, plan.space), skip_if_exists=True)
        states = [trial.state for trial in self.study.get_trials(deepcopy=False)]
        self.before = states.count(TrialState.COMPLETE)
        self._started = len(states) - states.count(TrialState.WAITING)
        self._interrupted = self._running()
        self._used = [*self._used_before()]

    def _study(self, storage: BaseStorage, name: str) -> optuna.Study:
        return optuna.create_study(
            storage=storage,
            study_name=name,
            sampler=self._sampler(0),
            direction=self.search.direction,
            load_if_exists=True,
        )

    @property
    def total(self) -> int:
        trials = self.search.limit.trials or self._started  # else nobody knows beforehand
        return trials + min(self.plan.confirm.top_k, trials) * len(self.plan.confirm.seeds)

    @property
    def finished(self) -> bool:
        return self._confirm is not None and not self._confirm

    def next(self) -> Cell | None:
        interrupted = next(self._interrupted, None)
        if interrupted is not None:
            return self._cell(interrupted)
        if not self.search.limit.spent(self._uses()):
            self.study.sampler = self._sampler(self._started)
            self._started += 1
            return self._cell(self.study.ask())
        if self._open:
            return None
        if self._confirm is None:
            self._confirm = deque(self._best())
        return self._confirm.popleft() if self._confirm else None

    def tell(self, cell: Cell, record: Record) -> None:
        """A trial that proposed what another had proposed is told the same value."""
        for trial in self._open.pop(cell.key, []):
            self._tell(trial, record)
            self._used.append(self._use(cell.key, record))

    def report(self, _cell: Cell, _epoch: int, _metrics: Mapping[str, float | None]) -> bool:
        return False

    def _tell(self, trial: Trial, record: Record) -> None:
        if record.status == "done":
            self.study.tell(trial, self._value(record))
        else:
            self.study.tell(trial, state=TrialState.FAIL)

    def _settle(self) -> None:
        """Bring the storage to what history and records say."""
        storage = self.study._storage
        trials = self.study.get_trials(deepcopy=False)
        for proposal in self.history:
            if proposal.number >= len(trials):
                self.study.add_trial(proposal.frozen(TrialState.RUNNING))
            elif not trials[proposal.number].state.is_finished():
                proposal.complete(trials[proposal.number], storage)
        folder = self.places.runs / self.plan.name
        for trial in self._running():
            if trial.number in self.history:
                record = folder / self.history[trial.number].key / "record.json"
                if record.is_file():
                    self._tell(trial, load(record))

    def _value(self, record: Record) -> float:
        value = record.metrics.get(self.search.objective)
        if value is None:
            measured = ", ".join(sorted(record.metrics))
            raise UserError(
                f"search.objective: {self.search.objective!r} was not measured (there are "
                f"{measured}); a search needs validation clips: data.val: {{share: 0.2}}"
            )
        return value

    def _cell(self, trial: Trial) -> Cell:
        values = proposed(self.plan.space, trial)
        task = self.task.changed(values, f"trial {trial.number}")
        seed = self.plan.search_seed(task)
        cell = task.cell(self.places, self.plan.name, seed, trial=trial.number, stage="search")
        self._open.setdefault(cell.key, []).append(trial)
        self._write_down(trial, cell)
        return cell

    def _uses(self) -> list[Use]:
        """Of every trial that was started; those at work have used nothing yet."""
        return self._used + [Use()] * (self._started - len(self._used))

    def _used_before(self) -> Iterator[Use]:
        """Of the trials that ended before this process began, as their records tell."""
        for proposal in self.history:
            record = folder_of(self.places.runs, self.plan.name, proposal.key) / "record.json"
            if record.is_file():
                yield self._use(proposal.key, load(record))

    def _use(self, key: str, record: Record) -> Use:
        folder = folder_of(self.places.runs, self.plan.name, key)
        return use_of(record, read_json_lines(folder / "log.jsonl"))

    def _write_down(self, trial: Trial, cell: Cell) -> None:
        spaces = {name: distribution_to_json(d) for name, d in trial.distributions.items()}
        self.history.add(
            Proposal(
                study=self.study.study_name,
                number=trial.number,
                key=cell.key,
                params=trial.params,
                spaces=spaces,
                attrs=self.study._storage.get_trial_system_attrs(trial._trial_id),
            )
        )

    def _what(self) -> str:
        """What a value is a function of, besides the trial: another search where that changes."""
        experiment, search = plain(self.task.experiment), self.search
        decides = [experiment[name] for name in ("data", "model", "train", "eval")]
        asked = [search.space, search.objective, search.direction]
        return digest([decides, asked, self.plan.search_seed(self.task)])[:8]

    def _sampler(self, trial: int) -> BaseSampler:
        """Seeded by trial number: a restart must not draw again what was drawn before it."""
        name, options = self.search.sampler.name, dict(self.search.sampler.options)
        if "seed" in SAMPLERS.options(name):
            options["seed"] = int(digest([options.get("seed", 0), trial])[:8], 16)
        return SAMPLERS[name](**options)

    def _running(self) -> Iterator[Trial]:
        for frozen in self.study.get_trials(states=(TrialState.RUNNING,)):
            self.study.sampler = self._sampler(frozen.number)  # for what it had not drawn yet
            yield Trial(self.study, frozen._trial_id)

    def _best(self) -> Iterator[Cell]:
        """The best trials' settings with fresh seeds; equal settings count once."""
        done = self.study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        sign = -1 if self.search.direction == "maximize" else 1
        chosen: dict[str, FrozenTrial] = {}
        for frozen in sorted(done, key=lambda t: (sign * (t.value or 0.0), t.number)):
            chosen.setdefault(repr(sorted(frozen.params.items())), frozen)
        for frozen in list(chosen.values())[: self.plan.confirm.top_k]:
            trial = Trial(self.study, frozen._trial_id)
            values = proposed(self.plan.space, trial)
            task = self.task.changed(values, f"trial {frozen.number}")
            for seed in self.plan.confirm.seeds:
                yield task.cell(
                    self.places, self.plan.name, seed, trial=frozen.number, stage="confirm"
                )


def stored(params: dict[str, object], space: list[Dimension]) -> dict[str, object]:
    dimensions = {d.key: d for d in space}
    return {key: dimensions[key].stored(value) for key, value in params.items()}
