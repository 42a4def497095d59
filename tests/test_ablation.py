"""Differences to a baseline: paired by seed, baseline first, nothing silently dropped."""

import pytest
from fake_records import record
from scipy import stats

from harness.errors import UserError
from harness.report.ablation import ablation
from harness.report.formats import FORMATS

KEY = "test/top1/ucf101/01"
RECORDS = [
    *(record(arm="wider", seed=s, top1=v) for s, v in enumerate((0.82, 0.84, 0.83))),
    *(record(arm="full", seed=s, top1=v) for s, v in enumerate((0.80, 0.85, 0.78))),
    record(arm="full", seed=0, dataset="hmdb51", top1=0.5),
    *(record(arm="none", seed=s, top1=v) for s, v in ((1, 0.75), (2, 0.76), (9, 0.1))),
    record(arm="none", seed=0, status="failed", reason="out of memory", metrics={}),
]


def test_the_baseline_comes_first_without_a_difference():
    table = ablation(RECORDS, "full")
    assert [row["arm"] for row in table.rows] == ["full", "wider", "none"]
    assert table.rows[0][KEY] == pytest.approx(0.81)
    assert table.rows[0][f"{KEY}/difference"] is None
    assert table.rows[0][f"{KEY}/difference/n"] == 0


def test_differences_are_paired_on_the_seeds_both_have():
    _, wider, none = ablation(RECORDS, "full").rows
    interval = stats.ttest_rel([0.82, 0.84, 0.83], [0.80, 0.85, 0.78]).confidence_interval(0.95)
    assert wider[f"{KEY}/difference"] == pytest.approx(0.02)
    half = wider[f"{KEY}/difference/half_width"]
    assert half == pytest.approx((interval.high - interval.low) / 2)
    assert none[f"{KEY}/n"] == 3
    assert none[f"{KEY}/difference/n"] == 2
    assert none[f"{KEY}/difference"] == pytest.approx((0.75 - 0.85 + 0.76 - 0.78) / 2)


def test_a_data_set_that_an_arm_lacks_is_empty():
    table = ablation(RECORDS, "full")
    assert table.rows[1]["test/top1/hmdb51/01"] is None
    assert table.rows[1]["test/top1/hmdb51/01/difference/n"] == 0


def test_as_people_read_it():
    text = FORMATS["md"](ablation(RECORDS, "full"))
    assert "### Difference to full" in text
    assert " +2.0 ± 7.5 (3) |" in text
    assert " -6.0 ± 50.8 (2) |" in text
    assert "none on ucf101/01, seed 0: failed: out of memory" in text


def test_a_cost_is_paired_too():
    records = [
        record(arm=arm, seed=seed, dataset=d, top1=0.5, cost={"params": params + seed + extra})
        for arm, params in (("full", 10.0), ("small", 7.0))
        for d, extra in (("ucf101", 0.0), ("hmdb51", 5.0))
        for seed in (0, 1)
    ]
    small = ablation(records, "full", metric="params").rows[1]
    assert (small["params/difference"], small["params/difference/half_width"]) == (-3.0, 0.0)
    assert small["params/difference/n"] == 4


def test_an_unknown_baseline_or_metric_is_the_users_error():
    with pytest.raises(UserError, match="no record of the baseline 'ful'; did you mean 'full'?"):
        ablation(RECORDS, "ful")
    with pytest.raises(UserError, match="did you mean 'test/top1'"):
        ablation(RECORDS, "full", metric="test/top")
    with pytest.raises(UserError, match="two protocols"):
        ablation([*RECORDS, record(arm="other", protocol="p2")], "full")
