"""Segments of untrimmed videos: columns by their usual names, seconds, subsets."""

import re
from pathlib import Path

import pytest
from dataset_files import complaint, empty, write

from harness.datasets.segments_csv import SegmentsCSV

ROWS = """video,label,t_start,t_end,subset
v_a,Long jump,1.5,10,training
v_a,Long jump,20,31.25,training
sub/v_b.mkv,Archery,0,5,training
v_gone,Archery,3,4,training
v_c,Archery,0,2.5,validation
"""
VIDEOS = ("raw/v_a.mp4", "raw/sub/v_b.mkv", "raw/v_c.webm")


def dataset(root, text=ROWS, **options):
    write(root, {"lists/mine.csv": text} | empty(*VIDEOS))
    options = {"csv": "lists/mine.csv", "videos": "raw"} | options
    return SegmentsCSV([root], Path("unused"), "01", **options)


def test_a_row_is_a_part_of_a_video_in_seconds(tmp_path):
    found = dataset(tmp_path)
    assert (found.title, found.classes) == ("segments_csv/lists/mine.csv", ["Archery", "Long jump"])
    clips = found.clips()
    assert all(clip.span.unit == "seconds" for clip in clips)
    assert [
        (
            c.id,
            c.path.relative_to(tmp_path).as_posix(),
            c.label,
            c.subset,
            c.span.first,
            c.span.after,
        )
        for c in clips
    ] == [
        ("v_a/1.5-10", "raw/v_a.mp4", 1, "train", 1.5, 10),
        ("v_a/20-31.25", "raw/v_a.mp4", 1, "train", 20, 31.25),
        ("sub/v_b.mkv/0-5", "raw/sub/v_b.mkv", 0, "train", 0, 5),
        ("v_gone/3-4", "raw/v_gone", 0, "train", 3, 4),
        ("v_c/0-2.5", "raw/v_c.webm", 0, "test", 0, 2.5),
    ]
    assert clips[0].group == clips[1].group != clips[2].group


@pytest.mark.parametrize(
    "header",
    [
        "youtube_id,label,time_start,time_end,split",
        "path,class,start,end,subset",
        "video-id,action,t-start,t-end,split",
    ],
)
def test_knows_the_usual_names_of_columns(tmp_path, header):
    same = dataset(tmp_path, ROWS.replace("video,label,t_start,t_end,subset", header))
    assert same.clips() == dataset(tmp_path).clips()


def test_tests_on_test_rows_where_they_are_labelled_and_on_validation_rows_otherwise(tmp_path):
    with_test = dataset(tmp_path, ROWS + "v_c,Archery,5,6,testing\n")
    assert [c.id for c in with_test.clips() if c.subset == "test"] == ["v_c/5-6"]
    unlabelled = dataset(tmp_path, ROWS + "v_c,,5,6,testing\n")
    assert [c.id for c in unlabelled.clips() if c.subset == "test"] == ["v_c/0-2.5"]


def test_swaps_left_and_right(tmp_path):
    rows = ROWS.replace("Archery", "go left").replace("Long jump", "go right")
    assert dataset(tmp_path, rows).mirrored == [1, 0]


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ("v_a,Archery,9,5,training\n", r"mine\.csv:7: from 9 to 5 s; expected start < end"),
        ("v_a,Archery,x,5,training\n", r"mine\.csv:7: 'x' is no number"),
        ("v_a,Archery,1,5,trainig\n", r"mine\.csv:7: no subset named 'trainig'; .*mean 'training'"),
        ("/v_a,Archery,1,5,training\n", r"mine\.csv:7: video '/v_a'; expected a name, or a path"),
        ("v_a,Archery\n", r"mine\.csv:7: 'v_a,Archery'; expected video,label,t_start"),
        ("v_a,Long jump,1.5,10,training\n", r"mine\.csv:7: v_a/1\.5-10 is listed already"),
    ],
)
def test_tells_a_bad_row_by_file_and_line(tmp_path, rows, told):
    assert re.search(told, complaint(lambda: dataset(tmp_path, ROWS + rows).clips()))


def test_tells_a_wrong_folder(tmp_path):
    (tmp_path / "other").mkdir()
    told = complaint(lambda: dataset(tmp_path, videos="other").clips())
    assert f"{tmp_path}/other: none of 5 videos is there, such as {tmp_path}/other/v_a" in told
    assert "'../x' must lie in a data root" in complaint(lambda: dataset(tmp_path, csv="../x"))


def test_takes_the_first_of_several_files_of_one_name(tmp_path):
    write(tmp_path / "raw", empty("a/v_a.mp4", "b/v_a.mp4", "v_a.mkv", ".v_a.mp4", "v_a.txt"))
    assert {c.path for c in dataset(tmp_path).clips() if c.group == "v_a"} == {
        tmp_path / "raw" / "a" / "v_a.mp4"
    }
