"""Videos in list files, as TSN, MMAction2 and PySlowFast write them.

Reference: https://mmaction2.readthedocs.io/en/latest/user_guides/prepare_dataset.html;
https://github.com/facebookresearch/SlowFast/blob/main/slowfast/datasets/DATASET.md

A line is `path label` for a video file, or `path frames label` for a folder of so many frames
(img_00001.jpg; flow_x_00001.jpg and flow_y_00001.jpg where flow was computed); labels count from 0.
Spaces, commas or tabs part them, and a path may hold spaces: a list has one form, that with frames
only if every line ends in two numbers. Videos whose names hold `_g` and a number form groups within
their class, as in UCF101; any other is a group of its own. Absent videos are listed all the same.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from harness.data.clip import Clip
from harness.datasets.given import Given
from harness.datasets.lines import lines_of
from harness.datasets.mirror import mirrored_labels
from harness.datasets.roots import inside
from harness.datasets.videos import numbered_group
from harness.errors import UserError

LABELLED = re.compile(r"(.+?)[\s,]+(\d+)")
COUNTED = re.compile(r"(.+?)[\s,]+(\d+)[\s,]+(\d+)")


class ListFiles(Given):
    """`train` and `test`, list files in a data root; `videos`, the folder of what they list.

    `classes` is a file with the name of a class in each line, numbered from 1 or not; without it
    classes go by their labels. `flippable` says whether a mirrored clip has a class at all; left
    and right in the names of classes change places.
    """

    advice = "the list files and the folder of videos that the options name in a data root, both"

    def __init__(
        self,
        roots: Sequence[Path],
        _cache: Path,
        split: str,
        *,
        train: str,
        test: str,
        videos: str,
        classes: str | None = None,
        flippable: bool = True,
    ) -> None:
        super().__init__(roots)
        self.title = f"list_files/{train}"
        names = {"train": train, "test": test} | ({"classes": classes} if classes else {})
        inside("list_files", videos=videos, **names)
        self._require_split(split)
        files = {option: self._find("such file", [n], Path.is_file) for option, n in names.items()}
        self.files = list(files.values())
        self._listed = {subset: parse_list(files[subset]) for subset in ("train", "test")}
        self.classes = (
            parse_classes(files["classes"]) if classes else numbers(self._listed["train"])
        )
        self.mirrored = mirrored_labels(self.classes) if flippable else None
        self._videos = videos

    def clips(self) -> list[Clip]:
        """Every listed clip; UserError for a label without class, and if all videos are absent."""
        folder = self._find("videos", [self._videos])
        clips: dict[str, Clip] = {}
        for subset, listed in self._listed.items():
            for where, path, frames, label in listed:
                if label >= len(self.classes):
                    raise UserError(
                        f"{where}: label {label}; there are {len(self.classes)} classes"
                    )
                name = name_below(folder, where, path)
                clip = make_clip(name, folder, label, subset, frames)
                if clip.id in clips:
                    raise UserError(f"{where}: {clip.id} is listed already")
                clips[clip.id] = clip
        if not any(clip.path.exists() for clip in clips.values()):
            raise UserError(
                f"{folder}: none of {len(clips)} videos is there, such as {next(iter(clips))}"
            )
        return list(clips.values())


def make_clip(name: Path, folder: Path, label: int, subset: str, frames: int | None) -> Clip:
    id = name.as_posix()
    numbered = numbered_group(name.name)
    return Clip(
        id=id,
        path=folder / name,
        label=label,
        group=f"{label}/{numbered}" if numbered else id,
        subset=subset,
        declared=frames,
    )


Listed = tuple[str, str, int | None, int]  # where; path, number of frames, label


def parse_list(file: Path) -> list[Listed]:
    """The lines of a list; UserError for one without a label, and for an empty list."""
    lines = list(lines_of(file))
    if not lines:
        raise UserError(f"{file}: no line in it; expected 'path label' or 'path frames label'")
    counted = [(where, COUNTED.fullmatch(line)) for where, line in lines]
    if all(match for _, match in counted):
        return [(w, m[1], int(m[2]), int(m[3])) for w, m in counted if m]
    labelled = [(where, line, LABELLED.fullmatch(line)) for where, line in lines]
    for where, line, match in labelled:
        if not match:
            raise UserError(f"{where}: {line!r}; expected 'path label' or 'path frames label'")
    return [(where, match[1], None, int(match[2])) for where, _, match in labelled if match]


def name_below(folder: Path, where: str, path: str) -> Path:
    """A listed path as it is below the folder of videos; lists may hold absolute ones."""
    name = Path(path)
    if name.is_absolute() and name.is_relative_to(folder.absolute()):
        name = name.relative_to(folder.absolute())
    if not name.is_absolute() and ".." not in name.parts:
        return name
    raise UserError(f"{where}: {path} lies outside of {folder}, the folder of videos")


def parse_classes(file: Path) -> list[str]:
    """The names of the classes in label order, without the numbers if they count from 1."""
    names = [line for _, line in lines_of(file)]
    parts = [name.partition(" ") for name in names]
    if all(number == str(place) and name for place, (number, _, name) in enumerate(parts, start=1)):
        return [name.strip() for *_, name in parts]
    return names


def numbers(listed: Sequence[Listed]) -> list[str]:
    """The labels as names of classes."""
    return [str(label) for label in range(1 + max(label for *_, label in listed))]
