"""KTH: parts of videos, people who train and people who test."""

import re
from collections import Counter
from pathlib import Path

import pytest
from dataset_files import complaint, empty, write

from harness.datasets.kth import KTH, parse_sequences

HEADER = """
This database contains sequences of six classes of actions performed by
25 subjects in four different conditions (see below).

Training:   person11, 12, 13, 14, 15, 16, 17, 18
Validation: person19, 20, 21, 23, 24, 25, 01, 04
Test:       person22, 02, 03, 05, 06, 07, 08, 09, 10\x20


"""
LINES = """person01_boxing_d1\t\tframes\t1-95, 96-185, 186-245, 246-360
person07_handclapping_d2    \tframes\t1-102, 103-248
person13_handclapping_d3\t*missing*

person11_boxing_d4    \t\tframes\t1-106, 107-194, 195-250
"""
VIDEOS = ("person01_boxing_d1", "person07_handclapping_d2", "person11_boxing_d4")


def place(root, lines=LINES, folders=("", "", "")):
    write(root / "kth", {"00sequences.txt": HEADER + lines})
    names = zip(folders, VIDEOS, strict=True)
    write(root / "kth", empty(*(f"{folder}{name}_uncomp.avi" for folder, name in names)))


def clips(root):
    return KTH([root], Path("unused"), "01").clips()


@pytest.mark.parametrize("folders", [("", "", ""), ("boxing/", "handclapping/", "boxing/")])
def test_each_part_of_a_video_is_a_clip(tmp_path, folders):
    place(tmp_path, folders=folders)
    found = clips(tmp_path)
    assert len({clip.path for clip in found}) == 3
    assert all(clip.path.is_file() and clip.span.unit == "frames" for clip in found)
    assert [(c.id, c.group, c.subset, c.label, c.span.first, c.span.after) for c in found] == [
        ("person01_boxing_d1/1", "person01", "train", 0, 0, 95),
        ("person01_boxing_d1/2", "person01", "train", 0, 95, 185),
        ("person01_boxing_d1/3", "person01", "train", 0, 185, 245),
        ("person01_boxing_d1/4", "person01", "train", 0, 245, 360),
        ("person07_handclapping_d2/1", "person07", "test", 1, 0, 102),
        ("person07_handclapping_d2/2", "person07", "test", 1, 102, 248),
        ("person11_boxing_d4/1", "person11", "train", 0, 0, 106),
        ("person11_boxing_d4/2", "person11", "train", 0, 106, 194),
        ("person11_boxing_d4/3", "person11", "train", 0, 194, 250),
    ]


def test_sixteen_people_train_and_nine_test(tmp_path):
    lines = "".join(f"person{number:02}_walking_d1\tframes\t1-9\n" for number in range(1, 26))
    write(tmp_path, {"00sequences.txt": HEADER + lines})
    parts = parse_sequences(tmp_path / "00sequences.txt")
    assert Counter(clip.subset for clip in parts) == {"train": 16, "test": 9}
    tested = sorted(int(clip.group[-2:]) for clip in parts if clip.subset == "test")
    assert tested == [2, 3, 5, 6, 7, 8, 9, 10, 22]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("person01_boxing_d1 1-95", r"00sequences\.txt:10: 'person01_boxing_d1 1-95'; expected 'p"),
        ("person01_boxing_d1 frames 0-95", r"sequences\.txt:10: '0-95'; expected frames such as"),
        ("person01_boxing_d1 frames 1-9,, 9-8", r"sequences\.txt:10: ''; expected frames such as"),
        ("person01_boxing_d1 frames 9-8", r"sequences\.txt:10: '9-8'; expected frames such as"),
        ("person01_sitting_d1 frames 1-9", r"sequences\.txt:10: no class named 'sitting'"),
        ("person99_boxing_d1 frames 1-9", r"sequences\.txt:10: person99 is in no subset"),
        ("person02_boxing_d1 frames 1-9", r"1 of the 1 videos in .*person02_boxing_d1_uncomp\.avi"),
    ],
)
def test_tells_a_bad_line_by_file_and_number(tmp_path, line, told):
    place(tmp_path, line)
    assert re.search(told, complaint(lambda: clips(tmp_path)))
