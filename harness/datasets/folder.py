"""A data set of the user's own: `folder/<class>/<video>`, no annotation files.

A video is a file, or a folder of its frames as images.

`folder/train/<class>/<video>` and `folder/test/<class>/<video>`, where both exist, say which clips
are which. Otherwise a share of each class is held out for testing, chosen by the names of the
files and by the split: "01", "02" and so on are as many different draws.

Videos whose names hold `_g` and a number (UCF101's habit) form groups within their class, which
neither testing nor validation parts; any other video is a group of its own.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from harness.data.carve import hold_out
from harness.data.clip import IMAGES, Clip
from harness.datasets.given import Given
from harness.datasets.mirror import mirrored_labels
from harness.datasets.roots import inside
from harness.datasets.videos import SUFFIXES, entries, is_video, numbered_group
from harness.errors import UserError


class Folder(Given):
    """The videos below `path`, a folder in a data root; classes in alphabetical order.

    `flippable` says whether a mirrored clip has a class at all; left and right in the names of
    classes change places.
    """

    advice = "them in <class>/ of the folder that `path` names, in a data root:"

    def __init__(
        self,
        roots: Sequence[Path],
        _cache: Path,
        split: str,
        *,
        path: str,
        test_share: float = 0.3,
        flippable: bool = True,
    ) -> None:
        super().__init__(roots)
        inside("folder", path=path)
        if not 0 < test_share < 1:
            raise UserError(f"test_share: must be between 0 and 1, got {test_share}")
        self.title = f"folder/{path}"
        folder = self._find("videos", [path])
        self.files: list[Path] = []
        self._folder, self._split, self._test_share = folder, split, test_share
        self._given = (folder / "train").is_dir() and (folder / "test").is_dir()
        if not re.fullmatch("01" if self._given else r"\d\d", split):
            allowed = (
                "'01', since train/ and test/ exist" if self._given else "'01', '02' and so on"
            )
            raise UserError(f"split: {self.title} has no split {split!r}; allowed: {allowed}")
        self.classes = subfolders(folder / "train" if self._given else folder)
        self.mirrored = mirrored_labels(self.classes) if flippable else None

    def clips(self) -> list[Clip]:
        """Every clip of the split; UserError for a class without videos to train or to test on."""
        if self._given:
            return self._read("train") + self._read("test")
        clips = self._read("")
        test = hold_out(clips, self._test_share, lambda clip: clip.group, salt=self._split)
        for label in {c.label for c in clips} - {c.label for c in clips if c.group in test}:
            raise UserError(
                f"{self._folder / self.classes[label]}: none of its groups of videos fits in a "
                f"test_share of {self._test_share}; add some, or sort all into train/ and test/"
            )
        return [replace(c, subset="test" if c.group in test else "train") for c in clips]

    def _read(self, subset: str) -> list[Clip]:
        top = self._folder / subset
        odd = sorted(set(subfolders(top)) ^ set(self.classes))
        if odd:
            raise UserError(
                f"{self._folder}: {odd[0]!r} is a class in only one of train/ and test/"
            )
        clips = []
        for label, name in enumerate(self.classes):
            videos = [path for e in entries(top / name) if is_clip(path := Path(e.path))]
            if not videos:
                raise UserError(f"{top / name}: no videos in it ({', '.join(SUFFIXES)})")
            for path in videos:
                id = path.relative_to(self._folder).as_posix()
                numbered = numbered_group(path.name)
                group = f"{name}/{numbered}" if numbered else id
                clips.append(Clip(id=id, path=path, label=label, group=group, subset=subset))
        return clips


def subfolders(folder: Path) -> list[str]:
    """The names of the classes: all sub-folders but hidden ones."""
    names = [e.name for e in entries(folder) if e.is_dir() and not e.name.startswith(".")]
    if not names:
        raise UserError(f"{folder}: no videos in it; place them in a sub-folder for each class")
    return names


def is_clip(path: Path) -> bool:
    """Whether it is a video file or a folder that holds an image; UserError if that is barred."""
    if path.name.startswith("."):
        return False
    if path.is_dir():
        return any(Path(e.name).suffix.lower() in IMAGES for e in entries(path))
    return is_video(path.name)
