"""What every data set owes; a new entry in DATASETS fails here until it has an example."""

import pytest

from harness.datasets import DATASETS
from harness.errors import UserError

CLASSES = ("Jump", "Wave")


def official(name, video):
    """A layout maker: split lists and empty videos, two groups to train on and one to test."""

    def make(root):
        lists = root / "annotations" / name
        lists.mkdir(parents=True)
        numbered = list(enumerate(CLASSES, start=1))
        videos = {
            (group, label): f"{c}/{video.format(group=group, name=c)}"
            for group in (1, 2, 3)
            for label, c in numbered
        }
        for video_name in videos.values():
            (root / name / video_name).parent.mkdir(parents=True, exist_ok=True)
            (root / name / video_name).touch()
        (lists / "classInd.txt").write_text("".join(f"{i} {c}\n" for i, c in numbered))
        train = [f"{path} {label}\n" for (g, label), path in videos.items() if g > 1]
        test = [f"{path}\n" for (g, _), path in videos.items() if g == 1]
        (lists / "trainlist01.txt").write_text("".join(train))
        (lists / "testlist01.txt").write_text("".join(test))

    return make


def plain(root):
    for name in CLASSES:
        (root / "mine" / name).mkdir(parents=True)
        for index in range(4):
            (root / "mine" / name / f"{index}.mp4").touch()


def nothing(root):
    """The project makes these files itself."""


EXAMPLES = {  # what makes the files, and the options that find them
    "folder": (plain, {"path": "mine"}),
    "moving_shapes": (nothing, {"train": 16, "test": 16, "size": 16, "frames": 3}),
    "ucf101": (official("ucf101", "v_{name}_g{group:02}_c01.avi"), {}),
    "ut_interaction": (official("ut_interaction", "set1_seq{group:02}_04_0.avi"), {}),
}


@pytest.fixture(params=DATASETS)
def build(request, tmp_path):
    """Builds the data set from its example's files, of which none is a readable video."""
    make, options = EXAMPLES[request.param]
    make(tmp_path / "root")
    return lambda split="01": DATASETS[request.param](
        [tmp_path / "root"], tmp_path / "cache", split, **options
    )


def test_describes_itself(build):
    dataset = build()
    assert dataset.title
    labels = range(len(dataset.classes))
    assert dataset.mirrored is None or sorted(dataset.mirrored) == list(labels)
    assert dataset.mirrored is None or all(
        dataset.mirrored[dataset.mirrored[i]] == i for i in labels
    )
    assert len(set(dataset.classes)) == len(dataset.classes) > 1
    assert all(path.is_file() for path in dataset.files)


def test_names_each_clip_once_and_no_folder_of_the_machine(build, tmp_path):
    clips = build().clips()
    assert len({c.id for c in clips}) == len({c.path for c in clips}) == len(clips)
    assert not any(str(tmp_path) in c.id or c.id.startswith("/") for c in clips)
    assert all(c.path.is_absolute() and c.group for c in clips)


def test_has_every_class_in_both_subsets(build):
    dataset = build()
    for subset in ("train", "test"):
        labels = {c.label for c in dataset.clips() if c.subset == subset}
        assert labels == set(range(len(dataset.classes)))
    assert {c.subset for c in dataset.clips()} == {"train", "test"}


def test_keeps_groups_on_one_side(build):
    groups = {
        subset: {c.group for c in build().clips() if c.subset == subset}
        for subset in ("train", "test")
    }
    assert not groups["train"] & groups["test"]


def test_is_the_same_each_time(build):
    assert build().clips() == build().clips()


def test_has_all_its_files_once_written(build):
    calls = []
    dataset = build()
    dataset.write(lambda done, total, what: calls.append((done, total, what)))
    assert all(c.path.is_file() for c in dataset.clips())
    assert all(0 < done <= total and what for done, total, what in calls)


def test_refuses_an_unknown_split_in_one_line(build):
    with pytest.raises(UserError, match=r"no split '7'.*'?01") as error:
        build("7")
    assert "\n" not in str(error.value)
