"""Means, intervals and differences against closed forms and scipy; marks and ranks by hand."""

from math import isclose, sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from harness.report.ranking import marks, ranks, tied
from harness.report.statistics import (
    Estimate,
    average,
    estimate,
    half_width,
    mean,
    paired,
    sample_sd,
    wilson,
)

samples = st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=8)


def at(mean: float | None, half_width: float | None = None) -> Estimate:
    return Estimate(mean=mean, half_width=half_width, n=3)


@given(samples)
def test_interval_is_scipys(values):
    result = estimate(values)
    spread = stats.sem(values)
    assert result.n == len(values)
    assert isclose(result.mean, sum(values) / len(values), abs_tol=1e-9)
    assert isclose(sample_sd(values), spread * sqrt(len(values)), abs_tol=1e-9)
    if spread > 1e-9:
        low, high = stats.t.interval(0.95, len(values) - 1, loc=result.mean, scale=spread)
        assert isclose(result.half_width, (high - low) / 2, rel_tol=1e-9)


def test_interval_of_three_runs_by_hand():
    assert half_width([1.0, 2.0, 3.0]) == pytest.approx(4.302653 / sqrt(3), abs=1e-6)


@pytest.mark.parametrize("values", [[], [0.5]])
def test_fewer_than_two_runs_have_no_interval(values):
    assert sample_sd(values) is None
    assert half_width(values) is None
    assert mean(values) == (values[0] if values else None)


@given(st.dictionaries(st.integers(0, 9), st.floats(0, 1), min_size=2), st.floats(-1, 1))
def test_a_constant_shift_is_found_exactly_whatever_the_seeds_do(baseline, shift):
    values = {seed: value + shift for seed, value in baseline.items()}
    difference = paired(values, baseline | {99: 0.0})
    assert difference.n == len(baseline)
    assert isclose(difference.mean, shift, abs_tol=1e-12)
    assert isclose(difference.half_width, 0, abs_tol=1e-12)


def test_paired_agrees_with_the_paired_t_test():
    a, b = {0: 0.81, 1: 0.86, 2: 0.84, 5: 1.0}, {0: 0.80, 1: 0.82, 2: 0.83, 7: 0.0}
    interval = stats.ttest_rel([0.81, 0.86, 0.84], [0.80, 0.82, 0.83]).confidence_interval(0.95)
    found = paired(a, b)
    assert found.n == 3
    assert found.mean - found.half_width == pytest.approx(interval.low)
    assert found.mean + found.half_width == pytest.approx(interval.high)


def test_nothing_in_common_is_no_difference():
    assert paired({0: 1.0}, {1: 1.0}) == Estimate()


@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_is_scipys(counted):
    successes, n = counted
    interval = stats.binomtest(successes, n).proportion_ci(method="wilson")
    assert wilson(successes, n) == pytest.approx((interval.low, interval.high), abs=1e-12)


def test_wilson_of_nothing_is_everything():
    assert wilson(0, 0) == (0.0, 1.0)


def test_half_widths_of_independent_means_add_in_quadrature():
    both = average([at(0.8, 0.03), at(0.6, 0.04)])
    assert (both.mean, both.half_width, both.n) == pytest.approx((0.7, 0.025, 3))
    assert average([at(0.8, 0.03), at(0.6)]).half_width is None
    assert average([at(0.8, 0.03), Estimate()]) == Estimate()


def test_marks_follow_the_better_end():
    column = [at(3.0), at(1.0), at(None), at(3.0)]
    assert marks(column, "higher") == ["best", None, None, "best"]
    assert marks(column, "lower") == [None, "best", None, None]
    assert marks(column, None) == [None] * 4


def test_equal_columns_have_no_best():
    assert marks([at(1.0), at(1.0), at(None)], "higher") == [None] * 3


def test_ties_need_an_interval_on_both_sides():
    best = at(0.90, 0.03)
    assert marks([best, at(0.86, 0.03), at(0.85, 0.03)], "higher") == ["best", "tied", None]
    assert marks([best, at(0.8999)], "higher") == ["best", None]
    assert tied(at(0.5, 0.0), at(0.5, 0.0))


def test_ranks_share_equal_scores_and_span_what_the_intervals_allow():
    scores = [at(0.9, 0.01), at(0.8, 0.05), at(0.78, 0.05), at(0.5, 0.01)]
    assert ranks(scores, "higher") == [(1, (1, 1)), (2, (2, 3)), (3, (2, 3)), (4, (4, 4))]
    assert [rank for rank, _ in ranks(scores, "lower")] == [4, 3, 2, 1]
    assert ranks([at(0.5), at(0.5), at(0.4)], "higher") == [(1, None), (1, None), (3, None)]


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 0.3)), min_size=1, max_size=9))
def test_a_rank_lies_in_its_range(pairs):
    found = ranks([at(m, h) for m, h in pairs], "higher")
    assert all(1 <= least <= rank <= most <= len(pairs) for rank, (least, most) in found)
    assert min(rank for rank, _ in found) == 1
