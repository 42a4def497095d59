"""Something-Something V2: 220,847 clips of people doing something to something, in 174 classes.

Reference: Goyal et al., "The 'something something' video database for learning and evaluating
visual common sense", ICCV 2017, https://arxiv.org/abs/1706.04261;
https://www.qualcomm.com/developer/software/something-something-v-2-dataset

A class is a template, such as "Holding [something] next to [something]", without its brackets. The
test list has no labels: the validation list is the subset "test". Who is seen is not told, so that
a clip is a group of its own. In a mirror, left and right change places in the template.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.data.clip import Clip
from harness.datasets.given import Given
from harness.datasets.lines import no_class, text_of
from harness.datasets.mirror import mirrored_labels
from harness.datasets.videos import below, place
from harness.errors import UserError

LISTS = {"train": "train", "test": "validation"}
PREFIXES = ("", "something-something-v2-")  # of the later and the earlier release
CLIPS = "20bn-something-something-v2"


class SomethingV2(Given):
    """The official JSON lists, and the videos `<id>.webm`."""

    title = "something_v2"
    advice = "the lists in annotations/{name}/ and the videos in {name}/" + CLIPS + "/"

    def __init__(self, roots: Sequence[Path], _cache: Path, split: str) -> None:
        super().__init__(roots)
        self._require_split(split)
        folders = ("annotations/something_v2", "something_v2/labels", "something_v2", "labels")
        labels = self._find(
            "labels.json with train.json and validation.json",
            [f"{folder}/{prefix}labels.json" for folder in folders for prefix in PREFIXES],
            lambda labels: all(path.is_file() for path in release(labels)),
        )
        self.files = release(labels)
        self.classes = parse_classes(labels)
        self.mirrored = mirrored_labels(self.classes)

    def clips(self) -> list[Clip]:
        """Every labelled clip; UserError if the video of any is absent."""
        listed = parse_lists(self.files[1:], self.classes)
        folder = self._find("videos", [f"something_v2/{CLIPS}", CLIPS, "something_v2/videos"])
        lists = " and ".join(path.name for path in self.files[1:])
        return place(listed, below(folder), f"{lists} are absent from {folder}")


def release(labels: Path) -> list[Path]:
    """The list of labels and those of clips beside it."""
    names = (labels.name.replace("labels", name) for name in LISTS.values())
    return [labels, *(labels.with_name(name) for name in names)]


def parse_classes(path: Path) -> list[str]:
    """The templates without brackets, in label order; their numbers must be 0, 1, 2 and so on."""
    table = read(path, dict)
    names = {str(number): name for name, number in table.items()}
    labels = {str(label) for label in range(len(table))}
    for name, number in table.items():
        if str(number) not in labels or names[str(number)] != name:
            raise UserError(
                f"{place_of(path, name)}: {name!r} is {number!r}; expected a number of its own, "
                f"less than {len(table)}"
            )
    return [names[str(label)] for label in range(len(table))]


def parse_lists(files: Sequence[Path], classes: Sequence[str]) -> list[Clip]:
    """The clips of the lists to train and to test on, `path` being `<id>.webm` as yet.

    Raises UserError for an entry without id or template, an unknown one, and a clip listed twice.
    """
    labels = {name: label for label, name in enumerate(classes)}
    clips: dict[str, Clip] = {}
    for path, subset in zip(files, LISTS, strict=True):
        for number, entry in enumerate(read(path, list), start=1):
            id, name = parse_entry(f"{path}: entry {number}", entry)
            if name not in labels:
                raise no_class(place_of(path, id), name, labels)
            if id in clips:
                raise UserError(f"{place_of(path, id)}: {id} is listed already")
            clips[id] = Clip(
                id=id, path=Path(f"{id}.webm"), label=labels[name], group=id, subset=subset
            )
    return list(clips.values())


def parse_entry(where: str, entry: Any) -> tuple[str, str]:
    """The id of a clip and the name of its class."""
    match entry:
        case {"id": str(id), "template": str(template)}:
            return id, template.replace("[", "").replace("]", "")
    raise UserError(f"{where}: {str(entry)[:80]!r}; expected an object with an id and a template")


def read(path: Path, expected: type) -> Any:
    """A JSON file whose outermost value is of the expected type."""
    try:
        content = json.loads(text_of(path))
    except json.JSONDecodeError as error:
        raise UserError(f"{path}:{error.lineno}: no JSON: {error.msg}") from None
    if not isinstance(content, expected):
        raise UserError(f"{path}: expected a JSON {expected.__name__}, got {str(content)[:40]!r}")
    return content


def place_of(path: Path, text: str) -> str:
    """Where in a file a text stands last, in quotes; parsed JSON remembers no lines."""
    before = text_of(path).rpartition(json.dumps(text))[0]
    return f"{path}:{before.count(chr(10)) + 1}"
