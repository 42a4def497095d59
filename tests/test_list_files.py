"""List files of TSN, MMAction2 and PySlowFast, accepted as they are."""

import re
from pathlib import Path

import pytest
from dataset_files import complaint, empty, write

from harness.datasets.list_files import ListFiles

VIDEOS = ("jump/v_jump_g01_c01.avi", "a b 3 .mp4", "wave/x.mp4")


def dataset(root, train, test, **options):
    write(root, {"train.txt": train, "val.txt": test} | empty(*(f"videos/{v}" for v in VIDEOS)))
    options = {"train": "train.txt", "test": "val.txt", "videos": "videos"} | options
    return ListFiles([root], Path("unused"), "01", **options)


@pytest.mark.parametrize("separator", [" ", ",", "\t", ", ", "   "])
def test_path_and_label_in_every_dialect(tmp_path, separator):
    train = f"jump/v_jump_g01_c01.avi{separator}0\na b 3 .mp4{separator}1\n"
    found = dataset(tmp_path, train, f"wave/x.mp4{separator}1\n")
    assert found.classes == ["0", "1"]
    assert [(c.id, c.label, c.group, c.subset, c.declared) for c in found.clips()] == [
        ("jump/v_jump_g01_c01.avi", 0, "0/v_jump_g01", "train", None),
        ("a b 3 .mp4", 1, "a b 3 .mp4", "train", None),
        ("wave/x.mp4", 1, "wave/x.mp4", "test", None),
    ]
    assert all(clip.path == tmp_path / "videos" / clip.id for clip in found.clips())
    assert all(clip.path.is_file() for clip in found.clips())


@pytest.mark.parametrize("separator", [" ", ",", "\t"])
def test_path_frames_and_label_name_a_folder_of_frames(tmp_path, separator):
    write(tmp_path / "frames" / "jump 2", empty("img_00001.jpg", "flow_x_00001.jpg"))
    train = f"jump 2{separator}163{separator}0\nwave/1{separator}7{separator}1\n"
    found = dataset(tmp_path, train, f"wave/2{separator}9{separator}1\n", videos="frames")
    assert [(c.id, c.label, c.declared) for c in found.clips()] == [
        ("jump 2", 0, 163),
        ("wave/1", 1, 7),
        ("wave/2", 1, 9),
    ]


def test_a_list_has_frames_only_if_every_line_has(tmp_path):
    train = "clip 12 0\nwave/x.mp4 1\n"
    found = dataset(tmp_path, train, "jump/v_jump_g01_c01.avi 0\n")
    assert [(c.id, c.declared) for c in found.clips()][:2] == [
        ("clip 12", None),
        ("wave/x.mp4", None),
    ]


def test_takes_absolute_paths_below_the_folder(tmp_path):
    train = f"{tmp_path}/videos/wave/x.mp4 0\njump/v_jump_g01_c01.avi 1\n"
    clips = dataset(tmp_path, train, "gone.mp4 0\n").clips()
    assert [clip.id for clip in clips] == ["wave/x.mp4", "jump/v_jump_g01_c01.avi", "gone.mp4"]
    outside = dataset(tmp_path, "wave/x.mp4 0\n/elsewhere/x.mp4 0\n", "a 0\n")
    assert "train.txt:2: /elsewhere/x.mp4 lies outside of" in complaint(outside.clips)


@pytest.mark.parametrize("text", ["go left\ngo right\n", "1 go left\n2 go right\n"])
def test_names_classes_by_a_file(tmp_path, text):
    write(tmp_path, {"classes.txt": text})
    found = dataset(tmp_path, "wave/x.mp4 0\n", "a 1\n", classes="classes.txt")
    assert (found.classes, found.mirrored) == (["go left", "go right"], [1, 0])
    fixed = dataset(tmp_path, "wave/x.mp4 0\n", "a 1\n", classes="classes.txt", flippable=False)
    assert fixed.mirrored is None


@pytest.mark.parametrize(
    ("train", "test", "told"),
    [
        (
            "wave/x.mp4 0\nwave/y.mp4\n",
            "a 0\n",
            r"train\.txt:2: 'wave/y\.mp4'; expected 'path label'",
        ),
        ("wave/x.mp4 0\n", "a 1\n", r"val\.txt:1: label 1; there are 1 classes"),
        ("wave/x.mp4 0\n", "b 0\nwave/x.mp4 0\n", r"val\.txt:2: wave/x\.mp4 is listed already"),
        ("\n", "a 0\n", r"train\.txt: no line in it; expected 'path label' or"),
        ("c 0\n", "b 0\n", r"videos: none of 2 videos is there, such as c$"),
    ],
)
def test_tells_a_bad_line_by_file_and_number(tmp_path, train, test, told):
    assert re.search(told, complaint(lambda: dataset(tmp_path, train, test).clips()))
