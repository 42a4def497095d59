"""Kinetics: its lists, every layout its videos come in, and clips that have vanished."""

import os
import re
from collections import Counter
from pathlib import Path

import pytest
from dataset_files import complaint, empty, write

from harness.data.prepare import Recipe, prepare
from harness.datasets.kinetics import Kinetics400
from harness.flow.fields import FlowRecipe

HEADER = "label,youtube_id,time_start,time_end,split,is_cc\n"
TRAIN = '"air drumming",-a_B0123456,8,18,train,0\n"massaging person\'s head",xyz,100,110,train,0\n'
VAL = '"air drumming",valvalvalva,0,10,validate,0\n'
LISTS = {
    "kinetics400/train.csv": HEADER + TRAIN,
    "kinetics400/validate.csv": HEADER + VAL,
}
NAMES = ("-a_B0123456_000008_000018", "valvalvalva_000000_000010")


def dataset(root):
    return Kinetics400([root], Path("unused"), "01")


@pytest.mark.parametrize(
    ("lists", "train", "val"),
    [
        ("kinetics400/{}.csv", "train/air drumming/", "val/air drumming/"),
        ("kinetics400/annotations/{}.csv", "train/air_drumming/", "val/air_drumming/"),
        ("kinetics400/annotations/kinetics_{}.csv", "videos_train/air_drumming/", "videos_val/"),
        ("annotations/kinetics400/{}.csv", "train/", "validate/"),
        ("annotations/kinetics400/{}.csv", "air drumming/", "air drumming/"),
        ("annotations/kinetics400/{}.csv", "", ""),
    ],
)
def test_finds_every_layout(tmp_path, lists, train, val):
    files = {lists.format("train"): HEADER + TRAIN, lists.format("val"): HEADER + VAL}
    videos = [f"kinetics400/{train}{NAMES[0]}.mp4", f"kinetics400/{val}{NAMES[1]}.webm"]
    write(tmp_path, files | empty(*videos))
    found = dataset(tmp_path)
    assert found.classes == ["air drumming", "massaging person's head"]
    first, absent, last = found.clips()
    assert (first.id, first.label, first.subset) == (f"train/air drumming/{NAMES[0]}", 0, "train")
    assert (last.id, last.label, last.subset) == (f"test/air drumming/{NAMES[1]}", 0, "test")
    assert [first.path, last.path] == [tmp_path / video for video in videos]
    assert (absent.label, absent.group) == (1, "xyz")
    assert absent.path.name == "xyz_000100_000110.mp4"
    assert not absent.path.exists()


def test_lists_folders_once_and_asks_after_no_file(tmp_path, monkeypatch):
    """The work that disks and file servers see does not grow with the number of clips."""
    asked = []
    real = os.stat
    monkeypatch.setattr(os, "stat", lambda *args, **kw: asked.append(args) or real(*args, **kw))
    calls = []
    for size in (1, 300):
        root = tmp_path / str(size)
        rows = "".join(f"a,v{i},0,10,train,0\n" for i in range(size))
        videos = (f"kinetics400/train/v{i}_000000_000010.mp4" for i in range(size))
        lists = {"kinetics400/train.csv": HEADER + rows, "kinetics400/val.csv": HEADER + rows}
        write(root, lists | empty(*videos, "kinetics400/val/v0_000000_000010.mp4"))
        asked.clear()
        assert len(dataset(root).clips()) == 2 * size
        calls.append(len(asked))
    assert calls[0] == calls[1]


def test_absent_videos_are_quarantined_with_their_reason(tmp_path, real_clips):
    write(tmp_path, LISTS)
    source = next((real_clips / "ucf101_samples").glob("ApplyEyeMakeup/*.avi"))
    for folder, name in zip(("train", "val"), NAMES, strict=True):
        (tmp_path / "kinetics400" / folder).mkdir()
        (tmp_path / "kinetics400" / folder / f"{name}.avi").symlink_to(source)
    recipe = Recipe(resize=16, flow=FlowRecipe(name="dis"))
    clips = dataset(tmp_path).clips()
    cache = prepare(clips, recipe, folder=tmp_path / "cache", workers=1, progress=lambda *_: None)
    assert list(cache.quarantined) == [clips[1].id]


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        (
            {"train": "label,youtube_id,time_start\n"},
            r"train\.csv:1: no column time_end; got label,",
        ),
        ({"train": HEADER + "a,b,1\n"}, r"train\.csv:2: 'a,b,1'; expected label,youtube_id,"),
        ({"train": HEADER + "a,b,one,11,train,0\n"}, r"train\.csv:2: 'one' is no number"),
        ({"train": HEADER + TRAIN + "\n" + TRAIN}, r"train\.csv:5: train/air.* is listed already"),
        (
            {"validate": HEADER + "air drumming,b,1,2,val,0\nair druming,b,1,2,val,0\n"},
            r"validate\.csv:3: no class named 'air druming'; did you mean 'air drumming'\?$",
        ),
    ],
)
def test_tells_a_bad_row_by_file_and_line(tmp_path, changed, told):
    files = LISTS | {f"kinetics400/{name}.csv": text for name, text in changed.items()}
    videos = empty(
        "kinetics400/train/b_000001_000011.mp4",
        f"kinetics400/train/{NAMES[0]}.mp4",
        "kinetics400/val/b_000001_000002.mp4",
    )
    write(tmp_path, files | videos)
    assert re.search(told, complaint(lambda: dataset(tmp_path).clips()))


def test_tells_a_folder_without_any_of_the_videos(tmp_path):
    write(tmp_path, LISTS | empty("kinetics400/train/other.mp4"))
    told = complaint(lambda: dataset(tmp_path).clips())
    assert f"{tmp_path}/kinetics400/train: none of 2 videos is there, such as" in told


def test_groups_the_clips_of_one_video(tmp_path):
    rows = "a,same,0,10,train,0\na,same,20,30,train,0\na,other,0,10,train,0\n"
    lists = {"kinetics400/train.csv": HEADER + rows, "kinetics400/val.csv": HEADER + rows}
    write(tmp_path, lists | empty("kinetics400/same_000000_000010.mp4"))
    groups = Counter(c.group for c in dataset(tmp_path).clips() if c.subset == "train")
    assert groups == {"same": 2, "other": 1}
