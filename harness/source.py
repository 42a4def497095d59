"""From an experiment to its clips: the data set, its cache, its subsets. No torch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

from harness.augment import CROPS, DISTORTIONS, MIXES
from harness.augment.augmentation import Augmentation
from harness.config.experiment import Augment, Data
from harness.config.options import bind
from harness.data.cache import Cache
from harness.data.carve import carve
from harness.data.clip import Clip, Progress
from harness.data.prepare import prepare
from harness.data.recipe import Recipe
from harness.datasets import DATASETS
from harness.errors import UserError
from harness.files import digest
from harness.flow import FLOWS
from harness.flow.fields import FlowRecipe
from harness.places import Places

# Of a data section, what is done to clips once they are read.
NOT_CACHED = ("val", "clip", "augment")


@dataclass(frozen=True)
class Source:
    """A prepared data set: `subsets` are the readable clips of train, val and test.

    `mirrored` holds, for each label, that of a clip seen in a mirror; None where it has none.
    """

    classes: tuple[str, ...]
    mirrored: Sequence[int] | None
    cache: Cache
    subsets: Mapping[str, list[Clip]]

    def size(self, data: Data) -> int:
        """The side of what the network sees: the crop, or the short side of the frames."""
        if data.clip.crop is not None:
            return data.clip.crop
        first = self.subsets["train"][0]
        return min(self.cache.shape(first.id)[1:])

    @property
    def counts(self) -> dict[str, int]:
        counts = {name: len(clips) for name, clips in self.subsets.items()}
        return counts | {"quarantined": len(self.cache.quarantined)}


def open_dataset(data: Data, places: Places) -> Any:
    """The data set with its annotations read; UserError if a list or a root is missing."""
    options = bind(DATASETS, data.name, data.options)
    dataset = DATASETS[data.name](places.data, places.cache, data.split, **options)
    if data.clip.flip and dataset.mirrored is None:
        raise UserError(
            f"data.clip.flip: a mirrored clip of {dataset.title} has another label; set it to false"
        )
    return dataset


def prepare_source(data: Data, places: Places, *, workers: int, progress: Progress) -> Source:
    """Write, verify, decode and cache what is not there yet, then open it."""
    dataset = open_dataset(data, places)
    dataset.write(progress)
    recipe = recipe_of(data, places)
    clips = with_flow(dataset.clips(), recipe.flow)
    cache = prepare(clips, recipe, folder=places.cache, workers=workers, progress=progress)
    readable = [clip for clip in clips if clip.id not in cache.quarantined]
    _require_every_class(readable, dataset)
    subsets = subsets_of(readable, dataset.classes, data)
    return Source(tuple(dataset.classes), dataset.mirrored, cache, subsets)


def recipe_of(data: Data, places: Places) -> Recipe:
    """What the data section asks to be made of each video; UserError if a file for it is missing.

    The options of the flow that name a file or a folder become where that is on this machine.
    """
    flow = data.flow
    options = bind(FLOWS, flow.name, flow.options)
    kinds: dict[str, Literal["file", "folder"]] = {"weights": "file", "folder": "folder"}
    for key, kind in kinds.items():
        if options.get(key) is not None:
            options[key] = str(places.find(f"data.flow.{key}", options[key], kind))
    fixed = {f.name: getattr(flow, f.name) for f in fields(flow) if f.name != "options"}
    recipe = FlowRecipe(options=options, **fixed)
    return Recipe(resize=data.resize, flow=recipe, store=data.store)


def reading_of(data: Mapping[str, Any]) -> str:
    """A digest of what a plain data section asks to be read, for which there is one cache."""
    return digest({name: value for name, value in data.items() if name not in NOT_CACHED})


def with_flow(clips: Sequence[Clip], recipe: FlowRecipe) -> list[Clip]:
    """The clips, told where their flow is if it was computed elsewhere."""
    if not recipe.is_read:
        return list(clips)
    homes = recipe.method().homes({clip.id: clip.path for clip in clips})
    return [replace(clip, flow=homes[clip.id]) for clip in clips]


def augmentation_of(augment: Augment) -> Augmentation:
    """The components that training draws from; UserError for an option out of its range."""
    parts = {
        "crop": (CROPS, augment.crop),
        "distort": (DISTORTIONS, augment.distort),
        "mix": (MIXES, augment.mix),
    }
    return Augmentation(
        **{
            part: table[component.name](**bind(table, component.name, component.options))
            for part, (table, component) in parts.items()
        }
    )


def subsets_of(clips: list[Clip], classes: Sequence[str], data: Data) -> dict[str, list[Clip]]:
    train = [clip for clip in clips if clip.subset == "train"]
    test = [clip for clip in clips if clip.subset == "test"]
    if data.val is None:
        return {"train": train, "val": [], "test": test}
    kept, val = carve(train, data.val.share, data.val.by, classes)
    return {"train": kept, "val": val, "test": test}


def _require_every_class(clips: list[Clip], dataset: Any) -> None:
    present = {clip.label for clip in clips if clip.subset == "train"}
    absent = [name for label, name in enumerate(dataset.classes) if label not in present]
    if absent:
        raise UserError(
            f"{dataset.title}: no readable training video of {', '.join(absent[:5])}; "
            "`harness doctor` tells which decoders work here"
        )
