"""Weizmann: ten actions of nine people, 93 videos.

Reference: Blank, Gorelick, Shechtman, Irani and Basri, "Actions as Space-Time Shapes", ICCV 2005,
https://www.wisdom.weizmann.ac.il/~vision/SpaceTimeActions.html

No lists come with it: names say it all, `<person>_<class>.avi`, with 1 or 2 behind where a person
performs twice (lena_run1.avi; but wave1 and wave2 are classes). Each split leaves one person out to
test on and trains on the others; it goes by the person's name, or its number in alphabetical order.
A group is a person.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from harness.data.clip import Clip
from harness.datasets.given import Given
from harness.datasets.videos import below
from harness.errors import UserError

PEOPLE = ("daria", "denis", "eli", "ido", "ira", "lena", "lyova", "moshe", "shahar")
CLASSES = ("bend", "jack", "jump", "pjump", "run", "side", "skip", "walk", "wave1", "wave2")
NAME = re.compile(rf"({'|'.join(PEOPLE)})_({'|'.join(CLASSES)})[12]?\.avi")
SPLITS = {f"{number:02}": person for number, person in enumerate(PEOPLE, start=1)}


class Weizmann(Given):
    """The videos, in a folder for each class or not; `split` is whom to leave out."""

    title = "weizmann"
    advice = "the videos in weizmann/ or weizmann/<class>/"
    classes = CLASSES
    mirrored = range(len(CLASSES))

    def __init__(self, roots: Sequence[Path], _cache: Path, split: str) -> None:
        super().__init__(roots)
        self._require_split(split, [*SPLITS, *PEOPLE])
        self.files: list[Path] = []
        self._left_out = SPLITS.get(split, split)

    def clips(self) -> list[Clip]:
        """Every video; UserError for one whose name is none of the set's, or if none is there."""
        folder = self._find("videos", ["weizmann/videos", "weizmann"])
        paths = [Path(path) for path in below(folder, 2).values()]
        clips = [self._clip(p) for p in sorted(paths, key=lambda p: p.name) if p.suffix == ".avi"]
        if not any(clip.subset == "test" for clip in clips):
            raise UserError(f"{folder}: no video of {self._left_out}, whom the split leaves out")
        return clips

    def _clip(self, path: Path) -> Clip:
        name = NAME.fullmatch(path.name)
        if not name:
            raise UserError(f"{path}: no name of a Weizmann video; expected such as 'ido_run.avi'")
        person, action = name.groups()
        subset = "test" if person == self._left_out else "train"
        label = CLASSES.index(action)
        return Clip(id=path.name, path=path, label=label, group=person, subset=subset)
