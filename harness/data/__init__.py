"""Data sets: from files on disk to labelled clips. Nothing in this package imports torch.

Contract. An entry is a class `D(roots, cache, split, *, options)`, `roots` being the data search
path and `cache` the folder for what the project makes itself, with

- `title`: its heading on boards, options that make it another task included;
- `classes`: the class names, in label order;
- `flippable`: whether a mirrored clip keeps its label;
- `files`: the annotation files that define the split (their sha256 is part of a cell's key);
- `clips() -> list[Clip]`: every clip of the split, `subset` being "train" or "test";
- `write(progress)`: makes the video files where the project writes them itself; else nothing.

Constructing a data set and `clips()` read annotation files only: no video is opened.
"""

from harness.registry import Registry

DATASETS = Registry(
    "dataset",
    moving_shapes="harness.data.moving_shapes:MovingShapes",
    ucf101="harness.data.ucf101:UCF101",
    ut_interaction="harness.data.ut_interaction:UTInteraction",
    folder="harness.data.folder:Folder",
)
