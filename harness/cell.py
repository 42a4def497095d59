"""A cell: one training with everything fixed, and the key that says when two are the same.

The key is a hash of all that can change the result: the resolved configuration (not its name, not
run-time settings), the seed, the sha256 of the annotation and weight files, and the revision of
every component used. The protocol is a hash of what must be equal for two scores to be comparable.
"""

from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from harness.config.document import Document
from harness.config.experiment import Data, Experiment
from harness.config.options import written_out
from harness.config.schema import build, components, plain
from harness.data.clip import Clip
from harness.data.recipe import Recipe
from harness.files import digest, sha256_of
from harness.parallel import ranks_of
from harness.places import Places
from harness.source import open_dataset, recipe_of, with_flow

PROTOCOL_REVISION = 1  # raised when the meaning of a metric changes
# Of the data section, what a method chooses for itself.
NOT_PROTOCOL = ("resize", "store", "flow", "clip", "augment")
KEPT_OPEN = 64  # data sets that a plan keeps open: a search may propose ever other sections
NOT_RESULTS = ("extends", "name", "seeds", "ablate")


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One training: what a worker is told, and what names it in every table."""

    plan: str
    arm: str
    dataset: str
    split: str
    seed: int
    trial: int | None
    stage: str
    key: str
    protocol: str
    config: dict[str, Any]
    command: str

    @property
    def label(self) -> str:
        trial = f" trial {self.trial}" if self.trial is not None else ""
        return f"{self.arm} · {self.dataset} {self.split} · seed {self.seed}{trial}"

    @property
    def ranks(self) -> int:
        """The processes that it takes."""
        return ranks_of(self.config["train"].get("parallel"))

    @property
    def opens_test(self) -> bool:
        """The test split stays shut while a search is choosing."""
        return self.stage != "search"

    def names(self) -> dict[str, Any]:
        """The fields that a record shares with its cell."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    def written_out(self) -> "Cell":
        """The same cell with every option of every component in its configuration.

        What a record keeps: a reader need not know the defaults of the day. The key stays, since a
        component whose defaults change has a new revision.
        """
        tree = written_out(self.experiment())
        return replace(self, config={name: tree[name] for name in self.config})

    def experiment(self) -> Experiment:
        tree = {"name": self.key, **self.config}
        return build(Experiment, Document(tree, f"cell {self.key}"))


@dataclass(frozen=True)
class Given:
    """What the cells of one experiment have in common: all but their seeds and stages."""

    dataset: str
    split: str
    config: dict[str, Any]
    result: dict[str, Any]  # what else can change a result
    protocol: str


class Reading:
    """Data sets opened once for all cells of a plan: the same annotations hold for all of them."""

    def __init__(self) -> None:
        self._opened: dict[tuple[str, Places], Opened] = {}

    def opened(self, data: Data, places: Places) -> "Opened":
        key = (digest(plain(data)), places)
        if key not in self._opened:
            if len(self._opened) == KEPT_OPEN:
                self._opened.pop(next(iter(self._opened)))
            self._opened[key] = Opened.of(data, places)
        return self._opened[key]


@dataclass(frozen=True)
class Opened:
    """A data set, the sha256 of its annotation files, and what is made of each of its videos."""

    dataset: Any
    files: list[list[str]]
    recipe: Recipe

    @cached_property
    def clips(self) -> list[Clip]:
        """Every clip of the split, listed when first asked for."""
        return with_flow(self.dataset.clips(), self.recipe.flow)

    @classmethod
    def of(cls, data: Data, places: Places) -> "Opened":
        dataset = open_dataset(data, places)
        files = [[file.name, sha256_of(file)] for file in dataset.files]
        return cls(dataset, files, recipe_of(data, places))


def given_by(experiment: Experiment, places: Places, reading: Reading) -> Given:
    opened = reading.opened(experiment.data, places)
    config = {k: v for k, v in plain(experiment).items() if k not in NOT_RESULTS}
    weights = find_weights(experiment, places)
    result = {
        "files": opened.files,
        "weights": sha256_of(weights) if weights else None,
        "flow": opened.recipe.flow.settings(),
        "revisions": {
            ".".join(path): table.revision(component.name)
            for path, table, component in components(experiment)
        },
    }
    data = {k: v for k, v in config["data"].items() if k not in NOT_PROTOCOL}
    protocol = digest([data, config["eval"], opened.files, PROTOCOL_REVISION])[:12]
    return Given(opened.dataset.title, experiment.data.split, config, result, protocol)


def cell_of(
    given: Given,
    *,
    plan: str,
    arm: str,
    seed: int,
    command: str,
    trial: int | None = None,
    stage: str = "run",
) -> Cell:
    fixed = {"config": given.config, "seed": seed, "opens_test": stage != "search"}
    return Cell(
        plan=plan,
        arm=arm,
        dataset=given.dataset,
        split=given.split,
        seed=seed,
        trial=trial,
        stage=stage,
        key=digest(fixed | given.result)[:16],
        protocol=given.protocol,
        config=given.config,
        command=command,
    )


def find_weights(experiment: Experiment, places: Places) -> Path | None:
    """The file of `train.init_from`: relative to here, to the runs, or to a data root."""
    name = experiment.train.init_from
    return None if name is None else places.find("train.init_from", name)
