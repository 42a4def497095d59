"""What a run shows beside numbers: its confusions, some clips, and a plan's board.

Plain data; the door to W&B makes W&B's own of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from harness.cell import Cell
from harness.data.cache import Cache
from harness.data.clip import Clip
from harness.data.prepare import prepared
from harness.data.sheet import Picture, sheet
from harness.errors import UserError
from harness.flow import codes
from harness.places import Places
from harness.source import open_dataset, recipe_of, with_flow

MOST_CLIPS, FRAMES = 6, 6
Media = Mapping[str, Any]  # by its name in W&B: one of these classes, or pictures by caption


@dataclass(frozen=True)
class Confusion:
    """What each video is and what it was taken for, as positions in `classes`."""

    labels: list[int]
    predictions: list[int]
    classes: list[str]


@dataclass(frozen=True)
class Overview:
    """The board of a plan: plain values."""

    columns: list[str]
    rows: list[list[Any]]


@dataclass(frozen=True)
class Scored:
    """The videos of a cell's last evaluation: of the test split, or of validation in a search."""

    subset: str
    ids: list[str]
    labels: np.ndarray
    predictions: np.ndarray


def media(asked: tuple[str, ...], folder: Path, cell: Cell, places: Places) -> Media:
    """What was asked for; nothing for a cell that was never scored.

    Raises UserError if the data set is no longer where it was.
    """
    scored = _scored(folder / "scores.npz")
    if scored is None or not asked:
        return {}
    data = cell.experiment().data
    dataset = open_dataset(data, places)
    made: dict[str, Any] = {}
    if "confusion" in asked:
        labels, predictions = scored.labels.tolist(), scored.predictions.tolist()
        confusion = Confusion(labels, predictions, list(dataset.classes))
        made[f"{scored.subset}/confusion"] = confusion
    if "clips" in asked:
        recipe = recipe_of(data, places)
        clips = with_flow(dataset.clips(), recipe.flow)
        cache = prepared(clips, recipe, places.cache)
        if cache is None:
            raise UserError(f"--media clips: {dataset.title} is not in {places.cache} any more")
        made[f"{scored.subset}/clips"] = _sheets(scored, clips, cache, list(dataset.classes))
    return made


def _scored(path: Path) -> Scored | None:
    if not path.is_file():
        return None
    with np.load(path, allow_pickle=False) as arrays:
        subset = "test" if "test/labels" in arrays else "val"
        if f"{subset}/labels" not in arrays:
            return None
        ids = [str(id) for id in arrays[f"{subset}/video_ids"]]
        predictions = arrays[f"{subset}/logits"].argmax(1)
        return Scored(subset, ids, arrays[f"{subset}/labels"], predictions)


def _sheets(
    scored: Scored, clips: list[Clip], cache: Cache, classes: list[str]
) -> dict[str, np.ndarray]:
    """A contact sheet for the first video of each of the first classes, by its caption."""
    known = {clip.id for clip in clips} - set(cache.quarantined)
    first: dict[int, int] = {}
    for position, (id, label) in enumerate(zip(scored.ids, scored.labels, strict=True)):
        if id in known:
            first.setdefault(int(label), position)
    made = {}
    for label in sorted(first)[:MOST_CLIPS]:
        id, guess = scored.ids[first[label]], classes[scored.predictions[first[label]]]
        caption = f"{id}: {classes[label]}, taken for {guess}"
        flow = codes.decode(cache.flow(id), cache.bound)
        made[caption] = sheet(Picture(frames=cache.rgb(id), flow=flow, caption=[caption]), FRAMES)
    return made
