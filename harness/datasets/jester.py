"""Jester: 148,092 clips of 27 hand gestures, shipped as a folder of JPEG frames for each clip.

Reference: Materzynska, Berger, Bax and Memisevic, "The Jester Dataset: A Large-Scale Video Dataset
of Human Gestures", ICCV workshops 2019,
https://www.qualcomm.com/developer/software/jester-dataset

The lists have lines `id;label` and no header. The test list has no labels: the validation list is
the subset "test". Who is seen is not told, so that a clip is a group of its own. In a mirror,
"Swiping Left" is "Swiping Right".
"""

from collections.abc import Sequence
from pathlib import Path

from harness.data.clip import Clip
from harness.datasets.given import Given
from harness.datasets.lines import label_of, lines_of
from harness.datasets.mirror import mirrored_labels
from harness.datasets.videos import below, place
from harness.errors import UserError

LISTS = {"train": "train", "test": "validation"}
CLIPS = "20bn-jester-v1"


class Jester(Given):
    """The official lists, and `20bn-jester-v1/<id>/00001.jpg` and so on."""

    title = "jester"
    advice = "the lists in annotations/jester/ and the frames in jester/20bn-jester-v1/<id>/"

    def __init__(self, roots: Sequence[Path], _cache: Path, split: str) -> None:
        super().__init__(roots)
        self._require_split(split)
        names = [f"jester-v1-{name}.csv" for name in ("labels", *LISTS.values())]
        folder = self._find(
            " and ".join(names),
            ["annotations/jester", "jester/annotations", "jester", CLIPS],
            lambda path: all((path / name).is_file() for name in names),
        )
        self.files = [folder / name for name in names]
        self.classes = [line for _, line in lines_of(self.files[0])]
        self.mirrored = mirrored_labels(self.classes)

    def clips(self) -> list[Clip]:
        """Every labelled clip, a folder of frames; UserError if any is absent."""
        listed = parse_lists(self.files[1:], self.classes)
        folder = self._find("frames", [f"jester/{CLIPS}", CLIPS, "jester/rawframes"])
        lists = " and ".join(path.name for path in self.files[1:])
        return place(listed, below(folder), f"{lists} are absent from {folder}")


def parse_lists(files: Sequence[Path], classes: Sequence[str]) -> list[Clip]:
    """The clips of the lists to train and to test on, `path` being the clip's id as yet.

    Raises UserError for a malformed line, an unknown label, and a clip that is listed twice.
    """
    labels = {name: label for label, name in enumerate(classes)}
    clips: dict[str, Clip] = {}
    for path, subset in zip(files, LISTS, strict=True):
        for where, line in lines_of(path):
            id, semicolon, name = line.partition(";")
            if not (id and semicolon):
                raise UserError(f"{where}: {line!r}; expected 'id;label'")
            label = label_of(where, name, labels)
            if id in clips:
                raise UserError(f"{where}: {id} is listed already")
            clips[id] = Clip(id=id, path=Path(id), label=label, group=id, subset=subset)
    return list(clips.values())
