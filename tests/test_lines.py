"""Annotation files: what holds for all of them, whatever they list."""

import re

import pytest
from dataset_files import complaint

from harness.datasets.lines import lines_of, number, rows_of

COLUMNS = {"video": ("video", "youtube_id"), "label": ("label",)}


def test_counts_lines_as_an_editor_does_and_skips_blank_ones(tmp_path):
    path = tmp_path / "list.txt"
    path.write_bytes("\ufeffa b \r\n\r\n  \r\n c".encode())
    assert list(lines_of(path)) == [(f"{path}:1", "a b"), (f"{path}:4", "c")]


def test_reads_cells_by_the_names_of_columns(tmp_path):
    path = tmp_path / "list.csv"
    path.write_bytes('\ufefflabel, youtube_id ,more\r\n"a, ""b""", x ,1\r\n\r\nc,y\r\n'.encode())
    assert list(rows_of(path, COLUMNS)) == [
        (f"{path}:2", {"video": "x", "label": 'a, "b"'}),
        (f"{path}:4", {"video": "y", "label": "c"}),
    ]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"video,label\na,b\nc\xe9,d\n", r"list\.csv:3: a byte that is not UTF-8"),
        (b'video,label\na,b\n"c,d\n', r"list\.csv:3: unexpected end of data"),
        (b"", r"list\.csv:1: no column video or youtube_id; got "),
        (b"video,label\na\n", r"list\.csv:2: 'a'; expected video,label"),
    ],
)
def test_tells_what_is_wrong_in_one_line(tmp_path, content, told):
    (tmp_path / "list.csv").write_bytes(content)
    assert re.search(told, complaint(lambda: list(rows_of(tmp_path / "list.csv", COLUMNS))))


def test_tells_a_file_that_cannot_be_read(tmp_path):
    assert "cannot be read (Is a directory)" in complaint(lambda: list(lines_of(tmp_path)))


@pytest.mark.parametrize("text", ["", "one", "nan", "inf", "1:30"])
def test_a_number_is_finite(text):
    assert f"here: {text!r} is no number" in complaint(lambda: number("here", text))
