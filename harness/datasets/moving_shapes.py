"""moving_shapes: the data set that comes with the project, with real video files of its own.

Discs of four hues glide in four directions; `shapes_tasks.py` says what a class is, and
`shapes_scene.py` how it looks. All follows from the options: labels are known before a file
exists, each clip has a random stream that no other shares, and a set that was interrupted is
continued.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from harness.data.clip import Clip, Progress
from harness.datasets.shapes_scene import draw, encode
from harness.datasets.shapes_tasks import TASKS
from harness.errors import UserError
from harness.files import digest, write_atomic, write_json
from harness.registry import hint

REVISION = 1  # raised when the same options come to give other videos
SUBSETS = ("train", "test")


class MovingShapes:
    """`train` and `test` clips of one task, each with balanced classes; the only split is "01"."""

    mirrored = None  # a mirrored clip moves the other way

    def __init__(
        self,
        _roots: Sequence[Path],
        cache: Path,
        split: str,
        *,
        task: Literal[
            "direction", "hue", "hue_and_direction", "xor", "bind", "order"
        ] = "hue_and_direction",
        size: int = 32,
        frames: int = 16,
        train: int = 600,
        test: int = 400,
        seed: int = 0,
    ) -> None:
        if split != "01":
            raise UserError(f"split: moving_shapes has no split {split!r}; {hint(split, ['01'])}")
        self.title = f"moving_shapes/{task}"
        self.classes = TASKS[task].classes
        self.files: list[Path] = []
        each = len(self.classes)
        numbers = {"size": size, "frames": frames, "train": train, "test": test, "seed": seed}
        least = {"size": 16, "frames": 3, "train": each, "test": each, "seed": 0}
        for option, value in numbers.items():
            if value < least[option]:
                raise UserError(
                    f"{option}: {self.title} takes at least {least[option]}, got {value}"
                )
        if size % 2:
            raise UserError(f"size: {self.title} takes even ones, as chroma has half, got {size}")
        self.specification = {"task": task, "revision": REVISION, **numbers}
        self.folder = cache / "moving_shapes" / f"{task}-{digest(self.specification)[:12]}"
        self._stage, self._size, self._frames, self._seed = TASKS[task].stage, size, frames, seed
        self._counts = {"train": train, "test": test}

    def clips(self) -> list[Clip]:
        clips = []
        for subset, count in self._counts.items():
            labels = self._stream(subset).permutation(np.arange(count) % len(self.classes))
            for index, label in enumerate(labels.tolist()):
                name = f"{subset}/{self.classes[label]}/{index:05d}.mp4"
                path = self.folder / "videos" / name
                clips.append(Clip(id=name, path=path, label=label, group=name, subset=subset))
        return clips

    def write(self, progress: Progress) -> None:
        """Make the files that are missing and, last of all, `specification.json`."""
        clips = self.clips()
        for done, clip in enumerate(clips, start=1):
            if not clip.path.exists():
                write_atomic(clip.path, self._video(clip))
                progress(done, len(clips), self.title)
        write_json(self.folder / "specification.json", self.specification, replace=False)

    def _video(self, clip: Clip) -> bytes:
        rng = self._stream(clip.subset, int(clip.path.stem))
        discs = self._stage(self.classes[clip.label], self._frames, rng)
        return encode(*draw(discs, self._size, rng))

    def _stream(self, subset: str, *index: int) -> np.random.Generator:
        key = (SUBSETS.index(subset), *index)
        return np.random.default_rng(np.random.SeedSequence(self._seed, spawn_key=key))
