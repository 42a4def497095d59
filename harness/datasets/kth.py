"""KTH: six actions of 25 people in four settings, 2,391 parts of 599 videos.

Reference: Schuldt, Laptev and Caputo, "Recognizing Human Actions: A Local SVM Approach", ICPR 2004,
https://www.csc.kth.se/cvap/actions/

`00sequences.txt` says in its header which people train, validate and test, and then, for each
video, at which frames the person performs: a clip is one such part. Split 01 is that of the
authors, with the people for validation among those for training (16 to train on, 9 to test on);
validation is carved out of the former. A group is a person.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from harness.data.clip import Clip, Span
from harness.datasets.given import Given
from harness.datasets.lines import lines_of
from harness.datasets.videos import below, place
from harness.errors import UserError

SEQUENCES = "00sequences.txt"
SUBSETS = {"training": "train", "validation": "train", "test": "test"}
PEOPLE = re.compile(r"(training|validation|test):\s*person([\d\s,]+)", re.IGNORECASE)
VIDEO = re.compile(r"((person\d\d)_([a-z]+)_d\d)\s+(?:frames\s+([\d\s,-]+)|\*missing\*)")
CLASSES = ("boxing", "handclapping", "handwaving", "jogging", "running", "walking")


class KTH(Given):
    """`00sequences.txt`, and the videos `<name>_uncomp.avi`, in a folder for each class or not."""

    title = "kth"
    advice = "00sequences.txt and the videos in kth/ or kth/<class>/"
    classes = CLASSES
    mirrored = range(len(CLASSES))

    def __init__(self, roots: Sequence[Path], _cache: Path, split: str) -> None:
        super().__init__(roots)
        self._require_split(split)
        folders = ("annotations/kth", "kth", "kth/annotations")
        self.files = [
            self._find(SEQUENCES, [f"{folder}/{SEQUENCES}" for folder in folders], Path.is_file)
        ]

    def clips(self) -> list[Clip]:
        """Every part of a video; UserError if the video of any is absent."""
        listed = parse_sequences(self.files[0])
        folder = self._find("videos", ["kth/videos", "kth"])
        found = {name.rpartition("/")[2]: path for name, path in below(folder, 2).items()}
        return place(listed, found, f"{self.files[0]} are absent from {folder}")


def parse_sequences(file: Path) -> list[Clip]:
    """Every part of every video, `path` being the video's name as yet; no video is needed.

    Raises UserError for a person in no subset, an unknown class, a malformed line or range.
    """
    subsets: dict[str, str] = {}
    clips: list[Clip] = []
    for where, line in lines_of(file):
        if people := PEOPLE.match(line):
            subset = SUBSETS[people[1].casefold()]
            subsets |= {f"person{number}": subset for number in re.findall(r"\d+", people[2])}
        elif line.startswith("person"):
            clips += parse_line(where, line, subsets)
    return clips


def parse_line(where: str, line: str, subsets: dict[str, str]) -> list[Clip]:
    """The parts of one video; none if it is `*missing*`."""
    video = VIDEO.fullmatch(line)
    if not video:
        raise UserError(f"{where}: {line!r}; expected 'personNN_class_dN frames 1-95, 96-185'")
    name, person, action, ranges = video.groups()
    if action not in CLASSES:
        raise UserError(f"{where}: no class named {action!r}")
    if person not in subsets:
        raise UserError(f"{where}: {person} is in no subset")
    return [
        Clip(
            id=f"{name}/{part}",
            path=Path(f"{name}_uncomp.avi"),
            label=CLASSES.index(action),
            group=person,
            subset=subsets[person],
            span=parse_range(where, text),
        )
        for part, text in enumerate(ranges.split(",") if ranges else [], start=1)
    ]


def parse_range(where: str, text: str) -> Span:
    """Frames counted from 1, the last one included, as a span."""
    first, _, last = text.strip().partition("-")
    if not (first.isdecimal() and last.isdecimal() and 0 < int(first) <= int(last)):
        raise UserError(f"{where}: {text.strip()!r}; expected frames such as '1-95'")
    return Span(first=int(first) - 1, after=int(last), unit="frames")
