"""Which records a board compares, and which it leaves out."""

from math import nan

import pytest
from fake_records import AWKWARD, HOSTILE, comparison, record

from harness.errors import UserError
from harness.report.board import Board, BoardFile, board
from harness.results.record import Record

UCF, UT = "test/top1/ucf101/01", "test/top1/ut_interaction/02"


def build(records: list[Record], **options: object) -> Board:
    return board(records, BoardFile(name="test", **options))


def runs(arm: str, *values: float, **changes: object) -> list[Record]:
    return [record(arm=arm, seed=i, top1=v, **changes) for i, v in enumerate(values)]


def names(made: Board) -> list[str]:
    return [row.name for row in made.rows]


def test_only_finished_runs_count_and_the_others_are_listed():
    lost = record(arm="a", seed=9, status="failed", reason="a NaN in the loss", top1=0.0)
    made = build([*runs("a", 0.8, 0.9), lost, *runs("b", nan, 0.5)])
    a, b = made.rows
    assert (a.cells[UCF].n, len(a.failed)) == (2, 1)
    assert made.failures == [lost]
    assert "a on ucf101/01, seed 9: failed: a NaN in the loss" in made.table().notes
    assert b.cells[UCF].values == ((1, 0.5),)


def test_a_board_whose_runs_all_failed_says_so():
    made = build([record(status="failed", reason="no disk", metrics={"val/top1": 0.1}, cost={})])
    assert made.rows[0].cells[UCF].mean is None
    assert made.rows[0].rank is None
    assert len(made.failures) == 1


def test_the_latest_of_a_cell_counts_and_the_others_are_stale():
    old = record(top1=0.1, started="2026-01-01T00:00:00Z", data_hash="old", key="z")
    new = record(top1=0.7, started="2026-01-02T00:00:00Z", data_hash="new", key="a")
    for records in ([old, new], [new, old]):
        made = build(records)
        assert (made.stale, made.rows[0].cells[UCF].values) == (1, ((0, 0.7),))
        assert made.provenance["data of ucf101/01"] == {"new": 1}


def setting(fusion, **changes):
    return record(config={"model": {"fusion": {"name": fusion}}}, **changes)


def test_seeds_are_averaged_only_where_nothing_else_differs():
    records = [
        setting("sum", seed=0, top1=0.1, started="2026-01-01T00:00:00Z"),
        setting("concat", seed=1, top1=0.7, started="2026-01-02T00:00:00Z"),
        setting("concat", seed=2, top1=0.8, started="2026-01-02T00:00:01Z"),
    ]
    made = build(records)
    assert made.rows[0].cells[UCF].values == ((1, 0.7), (2, 0.8))
    assert made.stale == 1
    assert any("1 record is left out" in note for note in made.table().notes)
    apart = build(records, rows="config.model.fusion.name")
    assert (len(apart.rows), apart.stale) == (2, 0)


def test_a_later_failure_under_other_settings_displaces_no_finished_run():
    good = setting("sum", top1=0.5, started="2026-01-01T00:00:00Z")
    bad = setting("conv", status="failed", metrics={}, started="2026-01-02T00:00:00Z")
    made = build([good, bad])
    assert made.rows[0].cells[UCF].values == ((0, 0.5),)
    assert (made.stale, made.failures) == (1, [])


def test_a_killed_run_is_counted_though_its_configuration_has_no_defaults():
    whole = {"model": {"fusion": {"name": "conv", "kernel_size": 1}}}
    done = record(config=whole, top1=0.5, seed=0)
    killed = setting("conv", seed=1, status="failed", metrics={}, reason="killed by signal 9")
    made = build([done, killed])
    assert (made.stale, made.failures) == (0, [killed])


def test_runs_of_a_search_are_never_ranked():
    made = build([record(top1=0.5), record(top1=0.99, stage="search", trial=3)])
    assert made.rows[0].cells[UCF].values == ((0, 0.5),)
    with pytest.raises(UserError, match="none of 1 records is of the stage run or confirm"):
        build([record(stage="search", top1=0.9)])


def test_each_confirmed_trial_of_an_arm_is_a_row_of_its_own():
    records = [
        record(stage="confirm", trial=t, seed=s, top1=0.5 + t / 100) for t in (3, 7) for s in (0, 1)
    ]
    assert names(build(records)) == ["conv #7", "conv #3"]
    assert build(records).stale == 0
    assert names(build(records[:2])) == ["conv"]


def test_an_arm_tuned_on_each_data_set_is_one_row():
    places = (("ucf101", 3), ("hmdb51", 7))
    made = build([record(stage="confirm", dataset=d, trial=t, top1=0.5) for d, t in places])
    assert names(made) == ["conv"]
    assert made.rows[0].complete


def test_where_takes_a_value_a_list_or_a_path():
    records = comparison()
    path = "config.model.fusion.name"
    assert names(build(records, where={path: "bilinear"})) == ["bilinear"]
    assert len(build(records, where={"arm": [AWKWARD, HOSTILE]}).rows) == 2
    one = build(records, where={"dataset": "ucf101", "status": "done", "seed": [0, 1]})
    assert len(one.columns) == 4
    assert len(one.done) == 18


def test_rows_may_be_a_part_of_the_configuration():
    made = build(comparison(), rows="config.model.fusion.name")
    assert set(names(made)) == {"average", "conv", "bilinear", "gated", "concat"}
    component = build(comparison(), rows="config.model.fusion")
    assert names(component) == names(made)
    table = made.table()
    assert table.columns[1].key == "config.model.fusion.name"
