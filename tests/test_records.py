"""Records as a table: those that match, or a line that says that none does."""

import pytest
from fake_records import record

from harness.errors import UserError
from harness.report.formats import FORMATS
from harness.report.manifest import CLIP, PLACE, clips_table
from harness.report.records import records_table

RECORDS = [record(key="a", seed=0), record(key="b", seed=1), record(key="c", plan="other")]


def test_those_that_match_are_listed_without_a_note():
    table = records_table(RECORDS, {"plan": "fusions", "config.model.fusion": "conv"})
    assert [row["key"] for row in table.rows] == ["a", "b"]
    assert table.notes == ()


@pytest.mark.parametrize("records", [RECORDS, []], ids=len)
def test_where_none_matches_the_table_says_how_many_there_are(records):
    table = records_table(records, {"plan": "fusion", "seed": "1"})
    assert table.rows == []
    assert table.notes == (f"no run matches plan=fusion and seed=1; there are {len(records)}",)
    assert "no run matches" in FORMATS["md"](table)
    assert FORMATS["json"](table) == "[]\n"


def test_without_any_the_table_says_so():
    table = records_table([])
    assert FORMATS["md"](table) == "no run is recorded here yet\n"
    assert FORMATS["csv"](table).startswith("key,plan,")


def test_a_field_that_nobody_has_is_an_error():
    with pytest.raises(UserError, match="did you mean 'plan'"):
        records_table(RECORDS, {"plam": "fusions"})


def test_clips_that_do_not_match_are_counted_too():
    row = dict.fromkeys((*PLACE, *CLIP)) | {"subset": "train"}
    assert clips_table([row], {"subset": "train"}).notes == ()
    assert clips_table([row], {"subset": "tset"}).notes == (
        "no clip matches subset=tset; there are 1",
    )
