"""The official lists as they are, and what goes wrong with one's own copy, told in one line."""

import csv
import os
import re
from collections import Counter
from pathlib import Path

import pytest

from harness.datasets.split_lists import list_files, parse_classes, parse_split
from harness.datasets.ucf101 import UCF101
from harness.datasets.ut_interaction import UTInteraction
from harness.errors import UserError

DATA = Path(os.environ.get("HARNESS_TEST_DATA", ""))
real = pytest.mark.skipif(
    "HARNESS_TEST_DATA" not in os.environ, reason="HARNESS_TEST_DATA is unset: no official lists"
)

GOOD = {
    "classInd.txt": "1 Jump\r\n2 Wave\r\n",
    "trainlist01.txt": "Jump/v_Jump_g02_c01.avi 1\r\nWave/v_Wave_g02_c01.avi 2\r\n",
    "testlist01.txt": "Jump/v_Jump_g01_c01.avi\r\nWave/v_Wave_g01_c01.avi\r\n",
}


def place(root, lists="annotations/ucf101", videos="ucf101", **changed):
    """A tiny UCF101 in `root`; `changed` replaces lists, written with _ for the dot."""
    (root / lists).mkdir(parents=True)
    for name, text in (GOOD | {k.replace("_", "."): v for k, v in changed.items()}).items():
        (root / lists / name).write_bytes(text.encode())
    for line in (GOOD["trainlist01.txt"] + GOOD["testlist01.txt"]).split():
        if "/" in line:
            (root / videos / line).parent.mkdir(parents=True, exist_ok=True)
            (root / videos / line).touch()


def clips(*roots, split="01"):
    return UCF101(roots, Path("unused"), split).clips()


def complaint(*roots, split="01"):
    with pytest.raises(UserError) as error:
        clips(*roots, split=split)
    assert "\n" not in str(error.value)
    return str(error.value)


@real
@pytest.mark.parametrize(
    ("split", "train", "test"), [("01", 9537, 3783), ("02", 9586, 3734), ("03", 9624, 3696)]
)
def test_reads_the_official_counts_without_any_video(split, train, test):
    files = list_files(DATA / "annotations" / "ucf101", split)
    classes = parse_classes(files[0])
    listed = parse_split(files, classes, UCF101.group)
    assert Counter(clip.subset for clip in listed) == {"train": train, "test": test}
    assert len({clip.group for clip in listed}) == 101 * 25
    assert all(clip.id.startswith(classes[clip.label] + "/") for clip in listed)
    groups = [{c.group for c in listed if c.subset == subset} for subset in ("train", "test")]
    assert not groups[0] & groups[1]


@real
@pytest.mark.parametrize(
    ("split", "train", "test"), [("01", 60, 60), ("02", 60, 60), ("03", 83, 37)]
)
def test_finds_ut_interaction_with_the_labels_of_its_table(split, train, test):
    dataset = UTInteraction([DATA], Path("unused"), split)
    found = dataset.clips()
    assert Counter(clip.subset for clip in found) == {"train": train, "test": test}
    with (DATA / "annotations" / "ut_interaction" / "clips.csv").open(newline="") as file:
        table = {row["path"]: row for row in csv.DictReader(file)}
    assert {c.id: c.label for c in found} == {k: int(row["label"]) for k, row in table.items()}
    assert {c.id: c.group for c in found} == {
        k: f"set{row['set']}_seq{int(row['seq']):02}" for k, row in table.items()
    }
    assert all(clip.path.is_file() for clip in found)


@pytest.mark.parametrize(
    ("lists", "videos"),
    [
        ("annotations/ucf101", "ucf101"),
        ("ucf101/annotations", "ucf101/videos"),
        ("ucf101/ucfTrainTestlist", "ucf101"),
        ("ucfTrainTestlist", "UCF-101"),
        ("ucf101", "ucf101"),
    ],
)
def test_finds_every_layout(tmp_path, lists, videos):
    place(tmp_path, lists, videos)
    assert [(c.id, c.label, c.group, c.subset) for c in clips(tmp_path)] == [
        ("Jump/v_Jump_g02_c01.avi", 0, "Jump_g02", "train"),
        ("Wave/v_Wave_g02_c01.avi", 1, "Wave_g02", "train"),
        ("Jump/v_Jump_g01_c01.avi", 0, "Jump_g01", "test"),
        ("Wave/v_Wave_g01_c01.avi", 1, "Wave_g01", "test"),
    ]
    assert all(clip.path == tmp_path / videos / clip.id for clip in clips(tmp_path))


def test_lists_and_videos_may_lie_in_different_roots(tmp_path):
    place(tmp_path / "a", videos="elsewhere")
    place(tmp_path / "b", lists="elsewhere")
    found = clips(tmp_path / "a", tmp_path / "b")
    assert {clip.path.parents[1] for clip in found} == {tmp_path / "b" / "ucf101"}


def test_takes_another_case_only_where_the_exact_name_is_absent(tmp_path):
    place(tmp_path)
    names = {clip.id for clip in clips(tmp_path)}
    for name in names:
        path = tmp_path / "ucf101" / name
        for other in (path.name.upper(), path.name.lower(), path.name.swapcase()):
            path.with_name(other).touch()
    assert {clip.path for clip in clips(tmp_path)} == {tmp_path / "ucf101" / n for n in names}
    for name in names:
        (tmp_path / "ucf101" / name).unlink()
    assert {clip.path.name.casefold() for clip in clips(tmp_path)} == {
        Path(name).name.casefold() for name in names
    }


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        (
            {"classInd_txt": "1 Jump\n3 Wave\n"},
            r"classInd\.txt:2: '3 Wave'; expected '2 ClassName'",
        ),
        ({"classInd_txt": "1 Jump\n2\n"}, r"classInd\.txt:2: '2'; expected"),
        ({"trainlist01_txt": "Jum/v_Jump_g02_c01.avi 1\n"}, r"trainlist01\.txt:1: .*mean 'Jump'"),
        (
            {"trainlist01_txt": "\nv_Jump_g02_c01.avi 1\n"},
            r"trainlist01\.txt:2: .*expected 'Class/",
        ),
        (
            {"testlist01_txt": "Jump/v_Jump_g02_c01.avi 1 2\n"},
            r"testlist01\.txt:1: .*expected 'Class/",
        ),
        ({"trainlist01_txt": "Jump/v_Jump_g02_c01.avi 2\n"}, r"labelled 2, but Jump is 1"),
        (
            {"testlist01_txt": "Jump/v_Jump_g02_c01.avi\n"},
            r"listed already, in .*trainlist01\.txt:1",
        ),
        (
            {"testlist01_txt": "Jump/v_Jump_g01_c01.avi\n"},
            r"testlist01\.txt: class 'Wave' has no vid",
        ),
        (
            {"testlist01_txt": "Jump/jump.avi\n"},
            r"testlist01\.txt:1: Jump/jump\.avi names no group",
        ),
    ],
)
def test_tells_a_bad_line_by_file_and_number(tmp_path, changed, told):
    place(tmp_path, **changed)
    assert re.search(told, complaint(tmp_path))


def test_tells_how_many_videos_are_absent_and_from_where(tmp_path):
    place(tmp_path)
    (tmp_path / "ucf101" / "Wave" / "v_Wave_g01_c01.avi").unlink()
    told = complaint(tmp_path)
    assert "1 of the 4 videos in trainlist01.txt and testlist01.txt" in told
    assert f"absent from {tmp_path / 'ucf101'}, such as Wave/v_Wave_g01_c01.avi" in told


def test_tells_where_it_looked_and_what_to_place_where(tmp_path):
    (tmp_path / "empty").mkdir()
    told = complaint(tmp_path / "empty", tmp_path / "nowhere")
    for part in ("annotations/ucf101", "(empty)", "(no such folder)", "--data", "HARNESS_DATA"):
        assert part in told
    place(tmp_path / "lists", videos="elsewhere")
    assert "no videos; looked for ucf101, ucf101/videos, UCF-101 in" in complaint(
        tmp_path / "lists"
    )


def test_tells_which_splits_there_are(tmp_path):
    place(tmp_path, trainlist02_txt="")  # a split without its test list is none
    assert "no split '02'; allowed: 01" in complaint(tmp_path, split="02")
