"""Jester: lists without a header, clips that are folders of frames."""

import re
from pathlib import Path

import pytest
from dataset_files import complaint, empty, write

from harness.datasets.jester import Jester

LISTS = {
    "jester-v1-labels.csv": "Swiping Left\nSwiping Right\nDoing other things\n",
    "jester-v1-train.csv": "34870;Swiping Right\n56557;Doing other things\n",
    "jester-v1-validation.csv": "9223;Swiping Left\n",
}


def place(root, folder="annotations/jester", frames="20bn-jester-v1", **changed):
    changed = {f"jester-v1-{name}.csv": text for name, text in changed.items()}
    write(root / folder, LISTS | changed)
    write(root / frames, empty(*(f"{id}/0000{i}.jpg" for id in (34870, 56557, 9223) for i in "12")))


def dataset(root):
    return Jester([root], Path("unused"), "01")


@pytest.mark.parametrize(
    ("folder", "frames"),
    [
        ("annotations/jester", "jester/20bn-jester-v1"),
        ("jester", "20bn-jester-v1"),
        ("jester/annotations", "jester/rawframes"),
    ],
)
def test_clips_are_folders_of_frames(tmp_path, folder, frames):
    place(tmp_path, folder, frames)
    found = dataset(tmp_path)
    assert found.mirrored == [1, 0, 2]
    assert [(c.id, c.label, c.subset, c.path) for c in found.clips()] == [
        ("34870", 1, "train", tmp_path / frames / "34870"),
        ("56557", 2, "train", tmp_path / frames / "56557"),
        ("9223", 0, "test", tmp_path / frames / "9223"),
    ]


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        (
            {"train": "34870,Swiping Left\n"},
            r"train\.csv:1: '34870,Swiping Left'; expected 'id;lab",
        ),
        (
            {"train": "\n34870;Swiping Lft\n"},
            r"train\.csv:2: .*'Swiping Lft'; did you mean 'Swiping",
        ),
        ({"validation": "34870;Swiping Left\n"}, r"validation\.csv:1: 34870 is listed already"),
        (
            {"train": "1;Swiping Left\n"},
            r"1 of the 2 videos in jester-v1-train\.csv and .*such as 1$",
        ),
    ],
)
def test_tells_what_is_wrong_in_one_line(tmp_path, changed, told):
    place(tmp_path, **changed)
    assert re.search(told, complaint(lambda: dataset(tmp_path).clips()))


def test_tells_which_lists_it_looked_for_where(tmp_path):
    place(tmp_path)
    (tmp_path / "annotations" / "jester" / "jester-v1-train.csv").unlink()
    told = complaint(lambda: dataset(tmp_path))
    assert "no jester-v1-labels.csv and jester-v1-train.csv and jester-v1-validation.csv" in told
    assert "looked for annotations/jester, jester/annotations, jester, 20bn-jester-v1 in" in told
