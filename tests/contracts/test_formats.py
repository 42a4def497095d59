"""What every format owes; a new entry in FORMATS is tested by being there."""

import csv
import io
import json
import math

import pytest

from harness.report.formats import FORMATS, ColumnSpec, Table

AWKWARD = [
    "pipe | and `ticks`",
    'comma, "quotes"',
    "two\nlines",
    "carriage\r\nreturn",
    "**bold** _under_ [link](x) <b>tag</b> \\ back & amp",
    "naïve 光 流 🎥",
    "",
    " spaces ",
    "=1+1",
    "\x1b[31mred",
    None,
]


def table(*names: object) -> Table:
    columns = (
        ColumnSpec(key="name", title="na|me"),
        ColumnSpec(
            key="top1",
            title="top-1 (%)",
            show=lambda mean, half, n: "none" if mean is None else f"{mean:.2f} ± {half} ({n})",
            beside=("top1/half_width", "top1/n"),
            better="higher",
            mark="top1/mark",
        ),
    )
    numbers = [0.875, math.nan, None, math.inf]
    rows = [
        {
            "name": name,
            "top1": numbers[i % 4],
            "top1/half_width": 0.012345678901234567,
            "top1/n": 3,
            "top1/mark": [None, "best", "tied"][i % 3],
        }
        for i, name in enumerate(names)
    ]
    return Table("A | title", columns, rows, ("a note",))


@pytest.mark.parametrize("name", FORMATS)
def test_ends_in_one_newline_and_is_the_same_twice(name):
    text = FORMATS[name](table(*AWKWARD))
    assert text.endswith("\n")
    assert not text.endswith("\n\n")
    assert text == FORMATS[name](table(*AWKWARD))


@pytest.mark.parametrize("name", FORMATS)
def test_no_rows_is_a_table_too(name):
    assert FORMATS[name](table()).endswith("\n")


@pytest.mark.parametrize("name", FORMATS)
def test_no_row_swallows_another(name):
    """The last row reads the same whatever stands above it."""
    alone, below = FORMATS[name](table("last")), FORMATS[name](table(*AWKWARD, "last"))
    assert alone.count("last") == below.count("last") == 1


def test_csv_comes_back():
    rows = list(csv.DictReader(io.StringIO(FORMATS["csv"](table(*AWKWARD)), newline="")))
    assert [row["name"] for row in rows] == [name or "" for name in AWKWARD]
    assert list(rows[0]) == ["name", "top1", "top1/half_width", "top1/n", "top1/mark"]
    assert float(rows[0]["top1"]) == 0.875
    assert math.isnan(float(rows[1]["top1"]))
    assert rows[2]["top1"] == ""
    assert float(rows[0]["top1/half_width"]) == 0.012345678901234567


def test_json_comes_back_with_numbers_as_numbers():
    rows = json.loads(FORMATS["json"](table(*AWKWARD)))
    assert [row["name"] for row in rows] == AWKWARD
    assert rows[0] == {
        "name": AWKWARD[0],
        "top1": 0.875,
        "top1/half_width": 0.012345678901234567,
        "top1/n": 3,
        "top1/mark": None,
    }
    assert [row["top1"] for row in rows[1:4]] == [None, None, None]


def test_markdown_rows_stay_rows():
    lines = [line for line in FORMATS["md"](table(*AWKWARD)).splitlines() if line[:1] == "|"]
    assert len(lines) == len(AWKWARD) + 2
    assert {line.replace("\\|", "").count("|") for line in lines} == {3}
