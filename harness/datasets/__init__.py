"""Data sets: from annotation files to labelled clips. No video is opened here; no torch.

Contract. An entry is a class `D(roots, cache, split, *, options)`, `roots` being the data search
path and `cache` the folder for what the project makes itself, with

- `title`: its heading on boards, options that make it another task included;
- `classes`: the class names, in label order;
- `mirrored`: for each label, that of a clip seen in a mirror; None where it would have none;
- `files`: the annotation files that define the split (their sha256 is part of a cell's key);
- `clips() -> list[Clip]`: every clip of the split, `subset` being "train" or "test";
- `write(progress)`: makes the video files where the project writes them itself; else nothing.

Constructing a data set and `clips()` read annotation files and list folders, nothing more. A set
that is never complete (Kinetics) lists absent files too: `prepare` counts them as quarantined.
An error in a list is one line that starts with `file:line`. docs/datasets.md says what each data
set expects where.
"""

from harness.registry import Registry

DATASETS = Registry(
    "dataset",
    folder="harness.datasets.folder:Folder",
    hmdb51="harness.datasets.hmdb51:HMDB51",
    jester="harness.datasets.jester:Jester",
    kinetics400="harness.datasets.kinetics:Kinetics400",
    kinetics600="harness.datasets.kinetics:Kinetics600",
    kinetics700="harness.datasets.kinetics:Kinetics700",
    kth="harness.datasets.kth:KTH",
    list_files="harness.datasets.list_files:ListFiles",
    moving_shapes="harness.datasets.moving_shapes:MovingShapes",
    segments_csv="harness.datasets.segments_csv:SegmentsCSV",
    something_v2="harness.datasets.something_v2:SomethingV2",
    ucf101="harness.datasets.ucf101:UCF101",
    ut_interaction="harness.datasets.ut_interaction:UTInteraction",
    weizmann="harness.datasets.weizmann:Weizmann",
)
