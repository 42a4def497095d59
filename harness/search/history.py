"""What a search has proposed: written down before the cell starts, and never changed.

proposals.jsonl and the records together are the truth of a search. Optuna's storage follows from
them: one that lost its end, or all it had, is filled again with the same trials under the same
numbers, so that a restarted search neither trains a cell twice nor forgets one.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from optuna.distributions import distribution_to_json, json_to_distribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from harness.files import append_json, read_json_lines
from harness.search.epochs import epochs_of


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """A trial as it was asked for. `params` as Optuna gives them, `spaces` as its JSON."""

    study: str
    number: int
    key: str  # of the cell
    params: dict[str, Any]
    spaces: dict[str, str]
    attrs: dict[str, Any]  # what the sampler noted, such as the place in a grid

    @classmethod
    def of(cls, trial: FrozenTrial, study: str, key: str) -> Self:
        return cls(
            study=study,
            number=trial.number,
            key=key,
            params=trial.params,
            spaces={name: distribution_to_json(d) for name, d in trial.distributions.items()},
            attrs=trial.system_attrs,
        )

    @property
    def point(self) -> str:
        return repr(sorted(self.params.items()))

    def frozen(self) -> FrozenTrial:
        """As a trial that has not ended."""
        return create_trial(
            state=TrialState.RUNNING,
            params=self.params,
            distributions={name: json_to_distribution(d) for name, d in self.spaces.items()},
            system_attrs=self.attrs,
        )


class History:
    """The proposals of one study, by number; those of other studies share the file."""

    def __init__(self, folder: Path, study: str) -> None:
        self.path, self.study = folder / "proposals.jsonl", study
        lines = [line for line in read_json_lines(self.path) if line["study"] == study]
        self._proposals = {line["number"]: Proposal(**line) for line in lines}

    def __len__(self) -> int:
        return len(self._proposals)

    def __contains__(self, number: int) -> bool:
        return number in self._proposals

    def __iter__(self) -> Iterator[Proposal]:
        return (self._proposals[number] for number in sorted(self._proposals))

    def __getitem__(self, number: int) -> Proposal:
        return self._proposals[number]

    def add(self, proposal: Proposal) -> None:
        if proposal.number not in self._proposals:
            append_json(self.path, asdict(proposal), synced=True)
            self._proposals[proposal.number] = proposal

    def outlived(self, trials: Sequence[FrozenTrial], folder: Path, videos: str | None) -> bool:
        """Whether the storage holds what is no longer so: a trial that it has for finished lost its
        record, to be retried, or one at work has epochs that were on other videos than these.

        No storage tells a trial anew, so that the study is then filled again from the beginning.
        """
        return any(
            not _stands(trial, folder / self[trial.number].key, videos)
            for trial in trials
            if trial.number in self
        )


def _stands(trial: FrozenTrial, cell: Path, videos: str | None) -> bool:
    if trial.state.is_finished():
        return (cell / "record.json").is_file()
    return not trial.intermediate_values or bool(epochs_of(cell / "log.jsonl", videos))
