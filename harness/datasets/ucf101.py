"""UCF101: 13,320 clips of 101 actions, in three official splits.

Reference: Soomro, Zamir and Shah, "UCF101: A Dataset of 101 Human Actions Classes From Videos in
The Wild", CRCV-TR-12-01, 2012, https://www.crcv.ucf.edu/data/UCF101.php

The 25 groups of a class (`g01` to `g25`) share people and backgrounds; the official splits keep
them whole, and so must any validation set. Other data sets in the same format are subclasses.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from harness.data.clip import Clip, Progress
from harness.datasets.roots import find, searched
from harness.datasets.split_lists import list_files, parse_classes, parse_split
from harness.errors import UserError


class UCF101:
    """Split lists and the videos that they name, each found along the data search path."""

    title: ClassVar[str] = "ucf101"
    group: ClassVar[re.Pattern[str]] = re.compile(r"^v_(\w+_g\d+)_c\d+$")
    list_places: ClassVar[Sequence[str]] = (
        "annotations/ucf101",
        "ucf101",
        "ucf101/annotations",
        "ucf101/ucfTrainTestlist",
        "ucfTrainTestlist",
    )
    video_places: ClassVar[Sequence[str]] = ("ucf101", "ucf101/videos", "UCF-101")

    def __init__(self, roots: Sequence[Path], _cache: Path, split: str) -> None:
        folder = find(roots, self.list_places, lambda path: (path / "classInd.txt").is_file())
        if folder is None:
            raise UserError(self._advice("no classInd.txt", roots, self.list_places))
        self.files = list_files(folder, split)
        self.classes = parse_classes(self.files[0])
        self.mirrored: Sequence[int] | None = range(len(self.classes))
        self._roots = roots

    def clips(self) -> list[Clip]:
        """Every clip of the split; UserError if the video of any is absent."""
        listed = parse_split(self.files, self.classes, self.group)
        known = {name.casefold() for name in self.classes}
        folder = find(
            self._roots,
            self.video_places,
            lambda path: path.is_dir() and any(p.name.casefold() in known for p in path.iterdir()),
        )
        if folder is None:
            raise UserError(self._advice("no videos", self._roots, self.video_places))
        exact = {path.relative_to(folder).as_posix(): path for path in folder.glob("*/*")}
        folded = {name.casefold(): path for name, path in exact.items()}
        paths = {c.id: exact.get(c.id) or folded.get(c.id.casefold()) for c in listed}
        absent = [name for name, path in paths.items() if path is None]
        if absent:
            lists = " and ".join(path.name for path in self.files[1:])
            raise UserError(
                f"{self.title}: {len(absent)} of the {len(listed)} videos in {lists} are absent "
                f"from {folder}, such as {', '.join(absent[:3])}"
            )
        return [replace(clip, path=path) for clip in listed if (path := paths[clip.id])]

    def write(self, _progress: Progress) -> None:
        """Nothing: the videos are the user's."""

    def _advice(self, problem: str, roots: Sequence[Path], places: Sequence[str]) -> str:
        name = self.title
        return (
            f"{name}: {problem}; {searched(roots, places)}; place the lists in annotations/{name}/ "
            f"and the videos in {name}/<class>/ of a folder named by --data or HARNESS_DATA"
        )
