"""Cook-Toom: the published matrices, exact fractions, and the header that native code includes."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.convs.cook_toom import NEAR_ONE, POINTS, cook_toom, short
from harness.convs.native import matrices


def exact(text):
    return [[Fraction(value) for value in row.split()] for row in text.split(";")]


PUBLISHED = {
    (2, 3): (
        "1 1 1 0; 0 1 -1 1",
        "1 0 0; 1/2 1/2 1/2; 1/2 -1/2 1/2; 0 0 1",
        "1 0 -1 0; 0 1 1 0; 0 -1 1 0; 0 -1 0 1",
    ),
    (4, 3): (
        "1 1 1 1 1 0; 0 1 -1 2 -2 0; 0 1 1 4 4 0; 0 1 -1 8 -8 1",
        "1/4 0 0; -1/6 -1/6 -1/6; -1/6 1/6 -1/6; 1/24 1/12 1/6; 1/24 -1/12 1/6; 0 0 1",
        "4 0 -5 0 1 0; 0 -4 -4 1 1 0; 0 4 -4 -1 1 0; 0 -2 -1 2 1 0; 0 2 -1 -2 1 0; 0 4 0 -5 0 1",
    ),
    (6, 3): (
        "1 1 1 1 1 1 1 0; 0 1 -1 2 -2 1/2 -1/2 0; 0 1 1 4 4 1/4 1/4 0; 0 1 -1 8 -8 1/8 -1/8 0;"
        "0 1 1 16 16 1/16 1/16 0; 0 1 -1 32 -32 1/32 -1/32 1",
        "1 0 0; -2/9 -2/9 -2/9; -2/9 2/9 -2/9; 1/90 1/45 2/45; 1/90 -1/45 2/45; 32/45 16/45 8/45;"
        "32/45 -16/45 8/45; 0 0 1",
        "1 0 -21/4 0 21/4 0 -1 0; 0 1 1 -17/4 -17/4 1 1 0; 0 -1 1 17/4 -17/4 -1 1 0;"
        "0 1/2 1/4 -5/2 -5/4 2 1 0; 0 -1/2 1/4 5/2 -5/4 -2 1 0; 0 2 4 -5/2 -5 1/2 1 0;"
        "0 -2 4 5/2 -5 -1/2 1 0; 0 -1 0 21/4 0 -21/4 0 1",
    ),
    (3, 2): (
        "1 1 1 0; 0 1 -1 0; 0 1 1 1",
        "1 0; 1/2 1/2; 1/2 -1/2; 0 1",
        "1 0 -1 0; 0 1 1 0; 0 -1 1 0; 0 -1 0 1",
    ),
}


@pytest.mark.parametrize("m_r", PUBLISHED, ids=str)
def test_the_matrices_are_the_published_ones(m_r):
    inverse, kernel, data = cook_toom(*m_r)
    assert (inverse, kernel, data) == tuple(map(exact, PUBLISHED[m_r]))


def times(matrix, vector):
    return [sum(a * b for a, b in zip(row, vector, strict=True)) for row in matrix]


def transposed(matrix):
    return [list(column) for column in zip(*matrix, strict=True)]


@st.composite
def filtering(draw):
    """A tile of m outputs, r taps, and points that reach: the first of a known list, or any."""
    m = draw(st.integers(1, 6))
    r = draw(st.integers(1, 8 - m + 1))
    fractions = st.fractions(-3, 3, max_denominator=8)
    anywhere = st.lists(fractions, min_size=m + r - 2, max_size=7, unique=True).map(tuple)
    known = [points for points in (POINTS, NEAR_ONE) if len(points) >= m + r - 2]
    points = draw(st.one_of(st.sampled_from(known), anywhere))
    return m, r, points


@given(case=filtering(), data=st.data())
def test_a_tile_is_a_correlation_exactly(case, data):
    m, r, points = case
    inverse, kernel, transform = cook_toom(m, r, points)
    values = st.lists(st.integers(-9, 9), min_size=m + r - 1, max_size=m + r - 1)
    signal, taps = data.draw(values), data.draw(values)[:r]
    products = [u * v for u, v in zip(times(kernel, taps), times(transform, signal), strict=True)]
    assert times(inverse, products) == [
        sum(taps[j] * signal[i + j] for j in range(r)) for i in range(m)
    ]


@given(case=filtering(), data=st.data())
def test_a_short_tile_is_one_with_the_weights_of_the_whole_exactly(case, data):
    m, r, points = case
    outputs = data.draw(st.integers(1, m))
    inverse, kernel, transform = short(outputs, m, r, points)
    weights = cook_toom(m, r, points).kernel
    assert kernel == [*weights[: outputs + r - 2], weights[-1]]
    signal = data.draw(
        st.lists(st.integers(-9, 9), min_size=outputs + r - 1, max_size=outputs + r - 1)
    )
    taps = data.draw(st.lists(st.integers(-9, 9), min_size=r, max_size=r))
    products = [u * v for u, v in zip(times(kernel, taps), times(transform, signal), strict=True)]
    assert times(inverse, products) == [
        sum(taps[j] * signal[i + j] for j in range(r)) for i in range(outputs)
    ]


@given(case=filtering(), data=st.data())
def test_the_transposes_are_the_gradient_of_the_taps_exactly(case, data):
    """What the native weight gradient relies on: dg = G^T [(A dy) * (B^T d)]."""
    m, r, points = case
    inverse, kernel, transform = cook_toom(m, r, points)
    integers = st.integers(-9, 9)
    signal = data.draw(st.lists(integers, min_size=m + r - 1, max_size=m + r - 1))
    gradient = data.draw(st.lists(integers, min_size=m, max_size=m))
    spread, moved = times(transposed(inverse), gradient), times(transform, signal)
    products = [u * v for u, v in zip(spread, moved, strict=True)]
    assert times(transposed(kernel), products) == [
        sum(gradient[i] * signal[i + j] for i in range(m)) for j in range(r)
    ]


def test_too_large_a_tile_is_refused():
    with pytest.raises(ValueError, match=r"^F\(6, 5\) needs 9 points, got 7$"):
        cook_toom(6, 5)


@pytest.mark.parametrize("tile", [2, 4])
def test_points_of_native_tiles_come_in_pairs(tile):
    """Its transforms share the sums of a and -a, which stand side by side after the point 0."""
    points = matrices.TILES[tile][: tile + 1]
    assert points[0] == 0
    assert points[1::2] == tuple(-point for point in points[2::2])


def test_the_header_is_the_one_that_the_fractions_give():
    written = matrices.HEADER.read_text(encoding="utf-8")
    assert written == matrices.header(), "run python -m harness.convs.native.matrices"
