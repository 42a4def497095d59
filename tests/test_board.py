"""The board: what is kept, what is compared, who leads, and what is refused."""

import random
import re
from math import nan, sqrt

import pytest
from fake_records import AWKWARD, HOSTILE, comparison, record
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
    for fact, mixed in (("uncounted", []), ("device", ["device"])):
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
