"""UCF101: 13,320 clips of 101 actions, in three official splits.

Reference: Soomro, Zamir and Shah, "UCF101: A Dataset of 101 Human Actions Classes From Videos in
The Wild", CRCV-TR-12-01, 2012, https://www.crcv.ucf.edu/data/UCF101.php

The 25 groups of a class (`g01` to `g25`) share people and backgrounds; the official splits keep
them whole, and so must any validation set. Other data sets in the same format are subclasses.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from harness.data.clip import Clip
from harness.datasets.given import Given
from harness.datasets.split_lists import list_files, parse_classes, parse_split
from harness.datasets.videos import below, entries, place


class UCF101(Given):
    """Split lists and the videos that they name, each found along the data search path."""

    title = "ucf101"
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
        super().__init__(roots)
        folder = self._find(
            "classInd.txt", self.list_places, lambda path: (path / "classInd.txt").is_file()
        )
        self.files = list_files(folder, split)
        self.classes = parse_classes(self.files[0])
        self.mirrored: Sequence[int] = range(len(self.classes))

    def clips(self) -> list[Clip]:
        """Every clip of the split; UserError if the video of any is absent."""
        listed = parse_split(self.files, self.classes, self.group)
        known = {name.casefold() for name in self.classes}
        folder = self._find(
            "videos",
            self.video_places,
            lambda path: path.is_dir() and any(e.name.casefold() in known for e in entries(path)),
        )
        lists = " and ".join(path.name for path in self.files[1:])
        return place(listed, below(folder, 2), f"{lists} are absent from {folder}")
