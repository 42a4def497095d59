"""A cell: one training with everything fixed, and the key that says when two are the same.

The key is a hash of all that can change the result: the resolved configuration (not its name, not
run-time settings), the seed, the sha256 of the annotation and weight files, and the revision of
every component used. The protocol is a hash of what must be equal for two scores to be comparable.
"""

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from harness.config.document import Document
from harness.config.experiment import Experiment
from harness.config.options import written_out
from harness.config.schema import build, components, plain
from harness.files import digest, sha256_of
from harness.places import Places
from harness.source import open_dataset, recipe_of

PROTOCOL_REVISION = 1  # raised when the meaning of a metric changes
# Of the data section, what a method chooses for itself.
NOT_PROTOCOL = ("resize", "store", "flow", "clip", "augment")
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


def cell_of(
    experiment: Experiment,
    places: Places,
    *,
    plan: str,
    arm: str,
    seed: int,
    command: str,
    trial: int | None = None,
    stage: str = "run",
) -> Cell:
    dataset = open_dataset(experiment.data, places)
    config = {k: v for k, v in plain(experiment).items() if k not in NOT_RESULTS}
    weights = find_weights(experiment, places)
    result = {
        "config": config,
        "seed": seed,
        "opens_test": stage != "search",
        "files": [[file.name, sha256_of(file)] for file in dataset.files],
        "weights": sha256_of(weights) if weights else None,
        "flow": recipe_of(experiment.data, places).flow.settings(),
        "revisions": {
            ".".join(path): table.revision(component.name)
            for path, table, component in components(experiment)
        },
    }
    data = plain(experiment.data)
    protocol = {k: v for k, v in data.items() if k not in NOT_PROTOCOL}
    return Cell(
        plan=plan,
        arm=arm,
        dataset=dataset.title,
        split=experiment.data.split,
        seed=seed,
        trial=trial,
        stage=stage,
        key=digest(result)[:16],
        protocol=digest([protocol, config["eval"], result["files"], PROTOCOL_REVISION])[:12],
        config=config,
        command=command,
    )


def find_weights(experiment: Experiment, places: Places) -> Path | None:
    """The file of `train.init_from`: relative to here, to the runs, or to a data root."""
    name = experiment.train.init_from
    return None if name is None else places.find("train.init_from", name)
