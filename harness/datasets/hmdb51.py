"""HMDB51: 6,766 clips of 51 actions, mostly from films, in three official splits.

Reference: Kuehne, Jhuang, Garrote, Poggio and Serre, "HMDB: A Large Video Database for Human Motion
Recognition", ICCV 2011, https://serre-lab.clps.brown.edu/resource/hmdb-a-large-human-motion-database

`<class>_test_splitN.txt` names each video of a class with a flag: 1 train, 2 test, 0 neither; 70
and 30 of each class. A group is the film that clips were cut from. The official splits part about a
tenth of the films; a validation set carved out of the training clips parts none.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar

from harness.data.clip import Clip
from harness.datasets.given import Given
from harness.datasets.lines import lines_of
from harness.datasets.videos import below, entries, place
from harness.errors import UserError

SUBSETS = {"0": None, "1": "train", "2": "test"}
SPLITS = ("01", "02", "03")
INFIX = "_test_split"


class HMDB51(Given):
    """The lists of one split and the videos that they name, each found along the search path."""

    title = "hmdb51"
    list_places: ClassVar[Sequence[str]] = (
        "annotations/hmdb51",
        "annotations/hmdb51/testTrainMulti_7030_splits",
        "hmdb51/testTrainMulti_7030_splits",
        "testTrainMulti_7030_splits",
        "hmdb51/annotations",
        "hmdb51/annotations/testTrainMulti_7030_splits",
        "hmdb51",
    )
    video_places: ClassVar[Sequence[str]] = (
        "hmdb51",
        "hmdb51/videos",
        "hmdb51_org",
        "hmdb51/hmdb51_org",
        "HMDB51",
    )

    def __init__(self, roots: Sequence[Path], _cache: Path, split: str) -> None:
        super().__init__(roots)
        self._require_split(split, SPLITS)
        ending = f"{INFIX}{int(split)}.txt"
        self._lists = self._find(
            f"list *{ending}", self.list_places, lambda folder: any(folder.glob(f"*{ending}"))
        )
        self.files = sorted(self._lists.glob(f"*{ending}"))
        self.classes = [path.name.removesuffix(ending) for path in self.files]
        self.mirrored = range(len(self.classes))

    def clips(self) -> list[Clip]:
        """Every clip of the split; UserError if the video of any is absent."""
        listed = parse_lists(self.files)
        known = set(self.classes)
        folder = self._find(
            "videos",
            self.video_places,
            lambda path: path.is_dir() and any(e.name in known for e in entries(path)),
        )
        lists = f"{self._lists}/*{INFIX}{self.files[0].stem[-1]}.txt"
        return place(listed, below(folder, 2), f"{lists} are absent from {folder}")


def parse_lists(files: Sequence[Path]) -> list[Clip]:
    """The clips that a split uses, `path` being `class/video.avi` as yet; no video is needed.

    Raises UserError for a malformed line, a video that is listed twice, and one without a film.
    """
    clips: dict[str, Clip] = {}
    for label, path in enumerate(files):
        name = path.name.partition(INFIX)[0]
        for where, video, subset in parse_list(path):
            id = f"{name}/{video}"
            film = video.rpartition(f"_{name}_")[0]
            if id in clips:
                raise UserError(f"{where}: {video} is listed already")
            if not film:
                raise UserError(f"{where}: {video} names no film; expected 'Film_{name}_...avi'")
            if subset:
                clips[id] = Clip(id=id, path=Path(id), label=label, group=film, subset=subset)
    return list(clips.values())


def parse_list(path: Path) -> Iterator[tuple[str, str, str | None]]:
    """Where each video of a class is listed, its name, and its subset, None where it has none."""
    for where, line in lines_of(path):
        video, _, flag = line.rpartition(" ")
        if not video.strip() or flag not in SUBSETS:
            raise UserError(f"{where}: {line!r}; expected 'video.avi' and 0, 1 or 2")
        yield where, video.strip(), SUBSETS[flag]
