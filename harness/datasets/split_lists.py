"""Split files in the format of UCF101.

`classInd.txt` numbers the classes from 1 ("1 ApplyEyeMakeup"). `trainlistNN.txt` and
`testlistNN.txt` name one video a line, `Class/video.avi`; the training lists repeat the number of
its class behind it. Reading them needs no video.

Reference: https://www.crcv.ucf.edu/data/UCF101.php
"""

import re
from pathlib import Path

from harness.data.clip import Clip
from harness.datasets.lines import label_of, lines_of
from harness.datasets.videos import entries
from harness.errors import UserError
from harness.registry import hint

SUBSETS = ("train", "test")


def list_files(folder: Path, split: str) -> list[Path]:
    """classInd.txt and the two lists of a split; UserError if there is no such split."""
    names = [entry.name for entry in entries(folder)]
    lists = [re.fullmatch(r"trainlist(.*)\.txt", name) for name in names]
    splits = [match[1] for match in lists if match and f"testlist{match[1]}.txt" in names]
    if split not in splits:
        raise UserError(f"split: {folder} has no split {split!r}; {hint(split, splits)}")
    return [folder / "classInd.txt", *(folder / f"{subset}list{split}.txt" for subset in SUBSETS)]


def parse_classes(path: Path) -> list[str]:
    """The class names in label order; their numbers must be 1, 2, 3 and so on."""
    classes: list[str] = []
    for where, line in lines_of(path):
        number, _, name = line.partition(" ")
        if number != str(len(classes) + 1) or not name.strip():
            raise UserError(f"{where}: {line!r}; expected '{len(classes) + 1} ClassName'")
        classes.append(name.strip())
    return classes


def parse_split(files: list[Path], classes: list[str], group: re.Pattern[str]) -> list[Clip]:
    """Every clip of a split; its `path` is still relative to the folder of the videos.

    `group` finds the group's name in a video's name, as its first parenthesis. Raises UserError
    for a malformed line, an unknown class, a number that disagrees with the class, a video that is
    listed twice, and a class without videos.
    """
    labels = {name: label for label, name in enumerate(classes)}
    clips: list[Clip] = []
    seen: dict[str, str] = {}
    for path, subset in zip(files[1:], SUBSETS, strict=True):
        for where, line in lines_of(path):
            name, label = parse_line(where, line, labels)
            if name in seen:
                raise UserError(f"{where}: {name} is listed already, in {seen[name]}")
            seen[name] = where
            found = group.search(Path(name).stem)
            if not found:
                raise UserError(f"{where}: {name} names no group (sought: {group.pattern})")
            clips.append(Clip(id=name, path=Path(name), label=label, group=found[1], subset=subset))
        present = {clip.label for clip in clips if clip.subset == subset}
        for name, label in labels.items():
            if label not in present:
                raise UserError(f"{path}: class {name!r} has no video")
    return clips


def parse_line(where: str, line: str, labels: dict[str, int]) -> tuple[str, int]:
    """A video's name and its label, which the folder says and the number may repeat."""
    match = re.fullmatch(r"(([^/]+)/[^/]+\.\w+?)(?:\s+(\d+))?", line)
    if not match:
        raise UserError(f"{where}: {line!r}; expected 'Class/video.avi' and perhaps a number")
    name, folder, number = match.groups()
    label = label_of(where, folder, labels)
    if number and int(number) != label + 1:
        raise UserError(f"{where}: {name} is labelled {number}, but {folder} is {label + 1}")
    return name, label
