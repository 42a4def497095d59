"""The board: what is kept, what is compared, who leads, and what is refused."""

import random
import re
from math import sqrt

import pytest
from fake_records import comparison, record
from scipy import stats

from harness.errors import UserError
from harness.report.board import Board, BoardFile, board, read_board
from harness.report.formats import FORMATS
from harness.results.record import Record

UCF, UT = "test/top1/ucf101/01", "test/top1/ut_interaction/02"


def build(records: list[Record], **options: object) -> Board:
    return board(records, BoardFile(name="test", **options))


def runs(arm: str, *values: float, **changes: object) -> list[Record]:
    return [record(arm=arm, seed=i, top1=v, **changes) for i, v in enumerate(values)]


def names(made: Board) -> list[str]:
    return [row.name for row in made.rows]


def test_a_cell_holds_mean_interval_n_and_runs():
    row = build(runs("a", 0.8, 0.9, 0.7)).rows[0]
    cell = row.cells[UCF]
    assert cell.mean == pytest.approx(0.8)
    assert cell.half_width == pytest.approx(stats.t.ppf(0.975, 2) * 0.1 / sqrt(3))
    assert (cell.n, cell.values) == (3, ((0, 0.8), (1, 0.9), (2, 0.7)))


def test_columns_expand_by_first_appearance():
    records = [record(dataset=d, split=s, top1=0.5) for d, s in [("b", "2"), ("a", "1")]]
    made = build(records, columns=["params", "test/top1"])
    assert [c.key for c in made.columns] == ["params", "test/top1/b/2", "test/top1/a/1"]
    assert [c.spec().title for c in made.columns][1] == "b/2 top-1 (%)"


def test_splits_are_never_pooled():
    row = build([record(split=s, seed=0, top1=v) for s, v in (("01", 0.5), ("02", 0.7))]).rows[0]
    assert [row.cells[f"test/top1/ucf101/{s}"].values for s in ("01", "02")] == [
        *(((0, 0.5),), ((0, 0.7),))
    ]
    assert row.score.mean == pytest.approx(0.6)


def test_a_cost_is_the_mean_over_data_sets_without_an_interval():
    records = [
        record(dataset=d, seed=s, top1=0.5, cost={"params": p + s})
        for d, p in (("a", 100.0), ("b", 200.0))
        for s in (0, 2)
    ]
    cell = build(records, columns=["params"]).rows[0].cells["params"]
    assert (cell.mean, cell.half_width, cell.n) == (151.0, None, 4)
    alone = build(records, columns=["params"], where={"dataset": "a"}).rows[0].cells["params"]
    assert alone.half_width is not None


def test_rows_are_sorted_best_first_and_do_not_depend_on_the_order_of_records():
    records = comparison()
    tables = []
    for seed in range(3):
        random.Random(seed).shuffle(records)
        tables.append(build(records, columns=["params"]).table())
    assert FORMATS["csv"](tables[0]) == FORMATS["csv"](tables[1]) == FORMATS["csv"](tables[2])


def test_the_other_orders():
    records = runs("b", 0.5) + runs("a", 0.4) + runs("c", 0.9)
    assert names(build(records)) == ["c", "b", "a"]
    assert names(build(records, sort="name")) == ["a", "b", "c"]
    assert names(build(records, sort="none")) == ["b", "a", "c"]
    assert [row.rank for row in build(records, sort="name").rows] == [3, 2, 1]


def test_ranking_by_a_cost_takes_the_lower_end():
    records = [record(arm="big", top1=0.9), record(arm="small", top1=0.5, cost={"params": 2.0})]
    assert names(build(records, columns=["test/top1", "params"], rank_by="params")) == [
        *("small", "big")
    ]


def test_an_incomplete_row_is_ranked_last_and_marked():
    records = runs("low", 0.5) + runs("low", 0.4, dataset="hmdb51") + runs("high", 0.99)
    low, high = build(records).rows
    assert (low.name, low.rank, low.complete) == ("low", 1, True)
    assert (high.name, high.rank, high.complete) == ("high", None, False)


def test_best_and_tied():
    records = runs("a", 0.90, 0.92) + runs("b", 0.89, 0.92) + runs("c", 0.1, 0.1) + runs("d", 0.9)
    marks = {row.name: row.cells[UCF].mark for row in build(records).rows}
    assert marks == {"a": "best", "b": "tied", "c": None, "d": None}


@pytest.mark.parametrize("kernel", ["winograd (reference)", "winograd (fallback: torch)"])
def test_a_kernel_without_a_claim_to_speed_is_labelled_and_wins_no_time(kernel):
    fast = {"cost": {"params": 1.0, "seconds/fit": 1.0}, "kernels": {"spatial": kernel}}
    made = build(
        runs("slow", 0.5)
        + runs("slower", 0.4, cost={"params": 9.0, "seconds/fit": 90.0})
        + runs("ours", 0.6, **fast)
    )
    ours, slow, _ = made.rows
    assert ours.labels == (re.findall("reference|fallback", kernel)[0],)
    assert (ours.cells["seconds/fit"].mark, slow.cells["seconds/fit"].mark) == (None, "best")
    assert ours.cells["params"].mark == "best"
    assert f"ours [{ours.labels[0]}]" in FORMATS["md"](made.table())


def test_another_operator_is_labelled():
    rows = {row.name: row.labels for row in build(comparison()).rows}
    assert rows["fast3d_temporal"] == ("operator fast3d",)
    assert rows["conv_fusion_winograd"] == ("reference",)
    assert rows["conv_fusion"] == ()


def test_protocols_are_never_mixed():
    records = [record(arm="a", protocol="p1"), record(arm="b", protocol="p2")]
    with pytest.raises(UserError, match=r"p1 \(arm 'a'\) and p2 \(arm 'b'\)"):
        build(records)
    assert build([record(protocol="p1", top1=0.5), record(protocol="p2", top1=0.5, split="02")])


def test_mixed_code_and_data_are_listed():
    made = build(comparison())
    assert made.mixed == ["commit"]
    assert made.provenance["commit"] == {"4be19c07": 47, "1f3a6d22": 5}
    assert any(note.startswith("mixed: commit: 4be19c07") for note in made.table().notes)


def test_what_an_architecture_brings_with_it_is_not_mixed():
    for fact, mixed in (("uncounted", []), ("memory_format", []), ("device", ["device"])):
        made = build([record(arm=arm, top1=0.5, env={fact: arm}) for arm in "ab"])
        assert made.mixed == mixed
        assert made.provenance[fact] == {"a": 1, "b": 1}


def test_chance_is_carried():
    assert build(comparison()).chance == pytest.approx(
        {"ucf101/01": 1 / 101, "ut_interaction/02": 1 / 6}
    )


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"columns": ["test/topl"]}, "column 'test/topl'; did you mean 'test/top1'?"),
        ({"rank_by": "test/accuracy"}, "column 'test/accuracy'"),
        ({"columns": ["parms"]}, "did you mean 'params'?"),
        ({"rank_by": "odd"}, "neither end of 'odd' is known to be better"),
        ({"rows": "config.model.fuson.name"}, "did you mean 'config.model.fusion.name'?"),
        ({"where": {"dataest": "x"}}, "did you mean 'dataset'?"),
        ({"where": {"split": 1}}, "where.split: 1 leaves no record (there are: 01)"),
        ({"where": {"stage": "search"}}, "where.stage: 'search': trials of a search are never"),
        ({"where": {"arm": ["x"]}}, "leaves no record (there are: conv)"),
    ],
)
def test_what_nobody_answers_is_the_users_error(options, said):
    records = [record(metrics={"test/top1": 0.5, "odd": 1.0})]
    with pytest.raises(UserError, match=re.escape(said)) as error:
        build(records, **options)
    assert "\n" not in str(error.value)


def test_all_that_is_wrong_with_a_file_is_told_at_once_with_its_lines(tmp_path):
    path = tmp_path / "b.yaml"
    path.write_text(
        "name: b\nwhere:\n  split: 1\n  stage: [search]\nrows: config.model.fuson\n"
        "columns:\n  - test/top1\n  - parms\nrank_by: test/top2\n"
    )
    records = [record(metrics={"test/top1": 0.5}), record(stage="search", trial=0)]
    with pytest.raises(UserError) as error:
        read_board(path, records)
    found = [line.partition(";")[0] for line in str(error.value).splitlines()]
    assert found[:2] == [
        f"{path}:3: where.split: 1 leaves no record (there are: 01)",
        f"{path}:4: where.stage: ['search']: trials of a search are never ranked, since they were "
        "chosen by what they scored (allowed: run, confirm)",
    ]
    assert found[2:] == [
        f"{path}:5: rows: no record has the field 'config.model.fuson'",
        f"{path}:8: columns.1: no record has the column 'parms'",
        f"{path}:9: rank_by: no record has the column 'test/top2'",
    ]
    path.write_text("name: b\nwhere: {stage: run}\ncolumns: [test/top1, params]\n")
    assert [row.name for row in read_board(path, records).rows] == [records[0].arm]


def test_an_undescribed_number_is_shown_plainly_and_best_at_neither_end():
    records = [
        record(arm=a, metrics={"test/top1": 0.5, "test/odd": v}, cost={"joules": v})
        for a, v in (("a", 1.23456), ("b", 2.0))
    ]
    made = build(records, columns=["test/odd", "joules"])
    assert "1.235" in FORMATS["md"](made.table())
    assert {cell.mark for row in made.rows for cell in row.cells.values()} == {None}


def test_the_whole_table_in_markdown():
    records = runs("a", 0.80, 0.82) + runs("b", 0.5) + runs("b", status="failed")
    table = build(records, columns=["test/top1", "params"], title="Two").table()
    assert FORMATS["md"](table).splitlines()[2:6] == [
        "|   # | arm | ucf101/01 top-1 (%) ↑ | parameters ↓ | failed |",
        "| --: | --- | --------------------: | -----------: | -----: |",
        "|   1 | a   |   **81.0 ± 12.7 (2)** |       1.00 M |      0 |",
        "|   2 | b   |              50.0 (1) |       1.00 M |      0 |",
    ]
