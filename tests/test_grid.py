"""The algebra of an arm's combinations: grid, zip, exclude, include, against their definition."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.planning.grid import combinations, faults
from harness.planning.sweepfile import ArmSpec

VALUES = st.lists(st.integers(0, 3), min_size=1, max_size=3, unique=True)
ROWS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=3, unique=True)
PARTS = st.dictionaries(st.sampled_from("abcd"), st.integers(0, 3), min_size=1, max_size=3)
GRIDS = st.dictionaries(st.sampled_from("ab"), VALUES, max_size=2)


def arm(grid=(), rows=(), exclude=(), include=()):
    """An arm whose zip has the keys c and d."""
    zipped = {"c": [c for c, _ in rows], "d": [d for _, d in rows]} if rows else {}
    return ArmSpec(
        base="b.yaml", grid=dict(grid), zip=zipped, exclude=list(exclude), include=list(include)
    )


def expected(grid, rows):
    """Grid and zip by their definition."""
    lines = [{"c": c, "d": d} for c, d in rows] or [{}]
    found = [
        dict(zip(grid, values, strict=True)) | line
        for values in itertools.product(*grid.values())
        for line in lines
    ]
    return found if grid or rows else []


def values(arm):
    return [{setting.key: setting.value for setting in one} for one in combinations(arm)]


def has(combination, part):
    return part.items() <= combination.items()


@given(GRIDS, ROWS)
def test_a_zip_is_one_more_axis_of_the_grid(grid, rows):
    assert list(faults(arm(grid, rows))) == []
    assert values(arm(grid, rows)) == (expected(grid, rows) or [{}])


@given(GRIDS, ROWS, st.lists(PARTS, max_size=3), st.lists(PARTS, max_size=2))
def test_what_is_excluded_goes_and_what_is_included_stays(grid, rows, exclude, include):
    every = expected(grid, rows)
    kept = [one for one in every if not any(has(one, part) for part in exclude)]
    vain = [part for part in exclude if not any(has(one, part) for one in every)]
    twice = [part for i, part in enumerate(include) if part in every or part in include[:i]]
    nothing = bool(every) and not kept and not include
    found = list(faults(arm(grid, rows, exclude, include)))
    assert bool(found) == bool(vain or twice or nothing)
    if not found:
        assert values(arm(grid, rows, exclude, include)) == (kept + include or [{}])


@given(GRIDS, ROWS)
def test_the_order_of_what_is_excluded_does_not_matter(grid, rows):
    parts = [{key: value} for key, given in grid.items() for value in given]
    one, other = arm(grid, rows, exclude=parts[:2]), arm(grid, rows, exclude=parts[:2][::-1])
    assert values(one) == values(other)


def test_every_value_knows_where_it_stands():
    one = arm({"a": [1, 2]}, [(5, 7), (6, 8)], include=[{"a": 9, "e": 0}])
    places = [[setting.path for setting in found] for found in combinations(one)]
    assert places[1] == [("grid", "a", "0"), ("zip", "c", "1"), ("zip", "d", "1")]
    assert places[-1] == [("include", "0", "a"), ("include", "0", "e")]


@pytest.mark.parametrize(
    ("spec", "place", "message"),
    [
        ({"grid": {"a": []}}, ("grid", "a"), "needs at least one value"),
        ({"zip": {"a": [1], "b": [1, 2]}}, ("zip",), "of one length; a has 1, b has 2"),
        ({"grid": {"a": [1]}, "zip": {"a": [1]}}, ("zip", "a"), "is a key of grid, too"),
        ({"grid": {"abc": [1, 2]}, "exclude": [{"abd": 1}]}, ("exclude", "0", "abd"), "'abc'"),
        ({"exclude": [{"a": 1}]}, ("exclude", "0", "a"), "none are allowed here"),
        ({"grid": {"a": [1, 2]}, "exclude": [{"a": 3}]}, ("exclude", "0"), "matches no combin"),
        ({"grid": {"a": [1, 2]}, "exclude": [{"a": True}]}, ("exclude", "0"), "matches no comb"),
        ({"grid": {"a": [1]}, "exclude": [{}]}, ("exclude", "0"), "drops every combination"),
        ({"grid": {"a": [1]}, "exclude": [{"a": 1}]}, ("exclude",), "drops all of the 1"),
        ({"grid": {"a": [1]}, "include": [{"a": 1}]}, ("include", "0"), "already"),
        ({"include": [{"a": 1}, {"a": 1}]}, ("include", "1"), "already"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(spec, place, message):
    (found, told), *_ = faults(ArmSpec(base="b.yaml", **spec))
    assert found == place
    assert message in told
