"""A labelled video, and how long work on many of them reports how far it is."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

# Suffixes of the images that a folder may hold in place of a video.
IMAGES = (".bmp", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")


@dataclass(frozen=True, kw_only=True)
class Span:
    """A part of a file: from `first` up to, not including, `after`; frames count from 0."""

    first: float
    after: float
    unit: Literal["frames", "seconds"]


@dataclass(frozen=True, kw_only=True)
class Clip:
    """One video of a data set's split; the file itself is opened by `prepare` alone.

    `id` is unique within the data set and names no machine's folder. Clips of one `group` share
    people or a background, so that a fair split never parts them. `subset` is "train" or "test".
    `path` is a video file or a folder of images; `span` the part of it that is the clip, None
    being all of it; `declared` how many frames the annotation promises, where it does; `flow` the
    folder of flow that was computed elsewhere, where that is what is asked for.
    """

    id: str
    path: Path
    label: int
    group: str
    subset: str
    span: Span | None = None
    declared: int | None = None
    flow: Path | None = None


# Told after each step how many of how many are done, and of what; of 0, what is just to be said.
Progress = Callable[[int, int, str], None]
