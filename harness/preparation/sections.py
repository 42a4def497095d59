"""The data sections that a command is to work on, and the clips of each.

They are given as the name of a data set, with overrides of the keys of a data section, or by an
experiment or sweep file, with overrides as for `harness run` and `harness sweep`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.config.document import Document, parse_override, read, resolve
from harness.config.experiment import Data, load_experiment
from harness.config.located import located
from harness.config.merge import lay_over
from harness.config.options import check_options
from harness.config.schema import build, plain
from harness.data.clip import Clip
from harness.data.manifest import annotated, manifest
from harness.data.prepare import prepared
from harness.data.recipe import Recipe
from harness.datasets import DATASETS
from harness.errors import UserError
from harness.places import Places
from harness.planning.plan import sweep_plan
from harness.registry import hint
from harness.source import open_dataset, recipe_of, with_flow

# Of a data section, all that is done to clips once they are read.
DECIDES_NOTHING = ("val", "clip", "augment")


@dataclass(frozen=True, kw_only=True)
class DataSection:
    """A data set as a data section asks for it: every clip of the split, and what is made of it."""

    dataset: Any
    split: str
    clips: list[Clip]
    recipe: Recipe

    @property
    def title(self) -> str:
        return f"{self.dataset.title} {self.split}"

    def rows(self, places: Places) -> list[dict[str, Any]]:
        """The manifest if the clips are prepared, else what the annotations say; no video is read.

        "dataset", "split" and "class" are added to what `manifest` gives.
        """
        found = prepared(self.clips, self.recipe, places.cache)
        return self.named(annotated(self.clips) if found is None else manifest(self.clips, found))

    def named(self, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """Rows of the clips, in their order, with what they belong to."""
        place = {"dataset": self.dataset.title, "split": self.split}
        return [
            place | row | {"label": clip.label, "class": self.dataset.classes[clip.label]}
            for clip, row in zip(self.clips, rows, strict=True)
        ]


@dataclass(kw_only=True)
class _Holder:
    """What has a data section and components of it, as `check_options` wants them."""

    data: Data = field(metadata={"table": DATASETS})


def data_sections(given: str, overrides: Sequence[str], places: Places) -> list[DataSection]:
    """Of a name, an experiment file or a sweep file; each section once.

    Raises UserError, with file and line where there is one, for what `harness run` would refuse in
    a data section.
    """
    if given in DATASETS:
        return [_opened(*_named(given, overrides), places)]
    path = Path(given)
    if path.suffix not in (".yaml", ".yml"):
        raise UserError(
            f"no dataset named {given!r}; {hint(given, DATASETS)}; "
            "an experiment or sweep file ends in .yaml"
        )
    holders = _of_sweep(path, overrides) if "arms" in read(path).tree else _of_run(path, overrides)
    distinct: dict[str, tuple[_Holder, Document]] = {}
    for holder, document in holders:
        distinct.setdefault(_identity(holder.data), (holder, document))
    return [_opened(*pair, places) for pair in distinct.values()]


def _identity(data: Data) -> str:
    return repr({k: v for k, v in plain(data).items() if k not in DECIDES_NOTHING})


def _named(name: str, overrides: Sequence[str]) -> tuple[_Holder, Document]:
    # The default flow written out, so that `flow.preset=fast` finds what it is a part of.
    document = Document({"data": {"name": name, "flow": plain(Data(name=name).flow)}}, name)
    for text in overrides:
        document = lay_over(_Holder, document, _below_data(parse_override(text)))
    document = resolve(document)
    return build(_Holder, document), document


def _below_data(document: Document) -> Document:
    origins = {("data", *path): origin for path, origin in document.origins.items()}
    return Document({"data": document.tree}, document.name, origins)


def _of_run(path: Path, overrides: Sequence[str]) -> list[tuple[_Holder, Document]]:
    experiment, document = load_experiment(path, overrides)
    return [(_Holder(data=experiment.data), document)]


def _of_sweep(path: Path, overrides: Sequence[str]) -> list[tuple[_Holder, Document]]:
    tasks = sweep_plan(path, overrides).tasks
    return [(_Holder(data=task.experiment.data), task.document) for task in tasks]


def _opened(holder: _Holder, document: Document, places: Places) -> DataSection:
    check_options(holder, document)
    with located(document, "data"):
        dataset = open_dataset(holder.data, places)
        recipe = recipe_of(holder.data, places)
    with located(document, "data", "flow"):
        recipe.flow.method()  # refuses options before hours of decoding
    with located(document, "data"):
        clips = with_flow(dataset.clips(), recipe.flow)
    return DataSection(dataset=dataset, split=holder.data.split, clips=clips, recipe=recipe)
