"""Kinetics: ten seconds of YouTube for each clip, 400, 600 or 700 human actions.

Reference: Kay et al., "The Kinetics Human Action Video Dataset", 2017,
https://arxiv.org/abs/1705.06950; lists at https://github.com/cvdfoundation/kinetics-dataset

Videos vanish from YouTube, so that no copy is complete: a clip whose file is absent is listed all
the same, and `prepare` counts it. The test list has no labels: the validation list is the subset
"test". Beware that validation clips of Kinetics-600 are training clips of Kinetics-400.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from harness.data.clip import Clip
from harness.datasets.given import Given
from harness.datasets.lines import Row, label_of, number, rows_of
from harness.datasets.mirror import mirrored_labels
from harness.datasets.videos import below, by_stem, require_one
from harness.errors import UserError

COLUMNS = {name: (name,) for name in ("label", "youtube_id", "time_start", "time_end")}
LISTS = {  # the names that each list goes by
    "train": ("train.csv", "kinetics_train.csv"),
    "test": ("val.csv", "validate.csv", "kinetics_val.csv"),
}
FOLDERS = {  # "." is the folder of the data set itself
    "train": ("train", "videos_train", "videos", "."),
    "test": ("val", "validate", "videos_val", "videos", "."),
}


class Kinetics(Given):
    """The official CSV lists, and the videos in `<label>/` of a folder for each list, or flat."""

    advice = (
        "train.csv and val.csv in annotations/{name}/, the videos in {name}/train/ and {name}/val/"
    )

    def __init__(self, roots: Sequence[Path], _cache: Path, split: str) -> None:
        super().__init__(roots)
        self._require_split(split)
        tops = (f"annotations/{self.title}", f"{self.title}/annotations", self.title)
        self.files = [
            self._find(names[0], [f"{top}/{name}" for top in tops for name in names], Path.is_file)
            for names in LISTS.values()
        ]
        rows = {subset: rows_of(f, COLUMNS) for subset, f in zip(LISTS, self.files, strict=True)}
        self._rows = {subset: list(of_subset) for subset, of_subset in rows.items()}
        self.classes = sorted({row["label"] for _, row in self._rows["train"]} - {""})
        self.mirrored = mirrored_labels(self.classes)

    def clips(self) -> list[Clip]:
        """Every listed clip, with the path that it would have where its file is absent."""
        clips = []
        for subset, rows in self._rows.items():
            places = [f"{self.title}/{name}" for name in FOLDERS[subset]]
            folder = self._find(f"{subset} videos", places)
            found = by_stem(below(folder, 2))
            listed = parse_rows(rows, subset, self.classes, folder, found)
            require_one(listed, found, folder)
            clips += listed
        return clips


class Kinetics400(Kinetics):
    """400 classes, some 240,000 clips to train on and 20,000 to test on."""

    title = "kinetics400"


class Kinetics600(Kinetics):
    """600 classes, some 383,000 and 28,000 clips."""

    title = "kinetics600"


class Kinetics700(Kinetics):
    """700 classes, some 542,000 and 35,000 clips; its lists may be those of 2019 or of 2020."""

    title = "kinetics700"


def parse_rows(
    rows: Iterable[Row],
    subset: str,
    classes: Sequence[str],
    folder: Path,
    found: Mapping[str, str],
) -> list[Clip]:
    """The clips of a list; where one is not `found` by name, it is awaited in `folder/<label>/`.

    Raises UserError for an unknown label, a time that is no number, a clip that is listed twice.
    """
    labels = {name: label for label, name in enumerate(classes)}
    clips: dict[str, Clip] = {}
    for where, row in rows:
        label, video = label_of(where, row["label"], labels), row["youtube_id"]
        start, end = number(where, row["time_start"]), number(where, row["time_end"])
        name = f"{video}_{start:06.0f}_{end:06.0f}"
        id = f"{subset}/{classes[label]}/{name}"
        if id in clips:
            raise UserError(f"{where}: {id} is listed already")
        path = Path(found.get(name) or f"{folder}/{classes[label]}/{name}.mp4")
        clips[id] = Clip(id=id, path=path, label=label, group=video, subset=subset)
    return list(clips.values())
