"""Segments of untrimmed videos, as a CSV file says: the way ActivityNet and its kin are trimmed.

Reference: Caba Heilbron, Escorcia, Ghanem and Niebles, "ActivityNet: A Large-Scale Video Benchmark
for Human Activity Understanding", CVPR 2015, http://activity-net.org

The header names the columns (COLUMNS lists the names that each goes by); a row is one clip, from a
start to an end in seconds. Rows that are neither for training nor labelled are of no use and left
out; where there are rows for testing, so are those for validation, which is carved out of the
training clips. A group is a video. A clip whose video is absent is listed all the same.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.data.clip import Clip, Span
from harness.datasets.given import Given
from harness.datasets.lines import Row, number, rows_of
from harness.datasets.mirror import mirrored_labels
from harness.datasets.roots import inside
from harness.datasets.videos import below, by_stem, require_one
from harness.errors import UserError
from harness.registry import hint

COLUMNS = {
    "video": ("video", "video_id", "video-id", "youtube_id", "path"),
    "label": ("label", "class", "action"),
    "start": ("time_start", "t_start", "t-start", "start"),
    "end": ("time_end", "t_end", "t-end", "end"),
    "subset": ("split", "subset"),
}
SUBSETS = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "validate": "validation",
    "validation": "validation",
    "test": "test",
    "testing": "test",
}


class SegmentsCSV(Given):
    """`csv`, a file in a data root, and `videos`, a folder in one; classes in alphabetical order.

    A video is named by its path below the folder, or by its name without folder and suffix.
    """

    advice = "the CSV file and the folder of videos that the options name in a data root, both"

    def __init__(
        self, roots: Sequence[Path], _cache: Path, split: str, *, csv: str, videos: str
    ) -> None:
        super().__init__(roots)
        inside("segments_csv", csv=csv, videos=videos)
        self.title = f"segments_csv/{csv}"
        self._require_split(split)
        self._videos = videos
        self.files = [self._find("such file", [csv], Path.is_file)]
        rows = [(where, row) for where, row in rows_of(self.files[0], COLUMNS) if row["label"]]
        self.classes = sorted({row["label"] for _, row in rows})
        self.mirrored = mirrored_labels(self.classes)
        self._rows = chosen(rows)

    def clips(self) -> list[Clip]:
        """Every segment to train or to test on, with the path that its video has or would have."""
        folder = self._find("videos", [self._videos])
        found = below(folder, 2)
        named = by_stem(found)
        labels = {name: label for label, name in enumerate(self.classes)}
        clips: dict[str, Clip] = {}
        for where, row, subset in self._rows:
            clip = segment(where, row, subset, labels, folder, named)
            if clip.id in clips:
                raise UserError(f"{where}: {clip.id} is listed already")
            clips[clip.id] = clip
        require_one(list(clips.values()), found, folder)
        return list(clips.values())


def chosen(rows: Sequence[Row]) -> list[tuple[str, dict[str, str], str]]:
    """The rows to train and to test on, each with its subset: test, or else validation."""
    named = [(where, row, subset_of(where, row["subset"])) for where, row in rows]
    held_out = "test" if any(subset == "test" for *_, subset in named) else "validation"
    subsets = {"train": "train", held_out: "test"}
    return [(where, row, subsets[name]) for where, row, name in named if name in subsets]


def subset_of(where: str, name: str) -> str:
    if name.casefold() not in SUBSETS:
        raise UserError(f"{where}: no subset named {name!r}; {hint(name, SUBSETS)}")
    return SUBSETS[name.casefold()]


def segment(
    where: str,
    row: Mapping[str, str],
    subset: str,
    labels: Mapping[str, int],
    folder: Path,
    named: Mapping[str, str],
) -> Clip:
    """The clip of a row; a video that is not `named` so is, or would be, at that path."""
    video, span = row["video"], span_of(where, row)
    if not video or Path(video).is_absolute() or ".." in Path(video).parts:
        raise UserError(f"{where}: video {video!r}; expected a name, or a path below the folder")
    return Clip(
        id=f"{video}/{span.first:g}-{span.after:g}",
        path=Path(named.get(video) or folder / video),
        label=labels[row["label"]],
        group=video,
        subset=subset,
        span=span,
    )


def span_of(where: str, row: Mapping[str, str]) -> Span:
    first, after = (number(where, row[edge]) for edge in ("start", "end"))
    if not 0 <= first < after:
        raise UserError(f"{where}: from {row['start']} to {row['end']} s; expected start < end")
    return Span(first=first, after=after, unit="seconds")
