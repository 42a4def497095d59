"""Stacks of fields against closed forms: translations, a rotation, nothing at all."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from harness.flow.codes import ZERO, decode, encode, mirror
from harness.flow.stacks import bidirectional, trajectory

SHAPES = st.tuples(st.integers(1, 4), st.integers(1, 7), st.integers(1, 7), st.just(2))
WINDOWS = SHAPES.flatmap(lambda s: arrays(np.uint8, s, elements=st.integers(1, 255)))
CODES = st.integers(1, 255)


@given(window=WINDOWS)
def test_a_trajectory_starts_at_the_pixel_itself(window):
    followed = trajectory(window, 20.0)
    assert followed.shape == window.shape
    np.testing.assert_array_equal(followed[0], window[0])


@given(x=CODES, y=CODES, bound=st.floats(0.5, 40))
def test_along_a_constant_translation_nothing_changes(x, y, bound):
    window = np.broadcast_to(np.array([x, y], np.uint8), (4, 6, 7, 2)).copy()
    np.testing.assert_array_equal(trajectory(window, bound), window)


@given(window=WINDOWS)
def test_where_nothing_moves_at_first_the_next_field_is_taken_as_it_is(window):
    window[:-1] = ZERO
    np.testing.assert_array_equal(trajectory(window, 20.0), window)


def test_whole_pixels_shift_the_fields_that_follow():
    rng = np.random.default_rng(0)
    window = rng.integers(1, 256, (3, 8, 9, 2)).astype(np.uint8)
    window[0] = (ZERO + 2, ZERO - 1)  # at a bound of 127 pixels: 2 right, 1 up
    window[1] = (ZERO + 1, ZERO)
    followed = trajectory(window, 127.0)
    np.testing.assert_array_equal(followed[1], window[1])
    np.testing.assert_array_equal(followed[2, 1:, :-3], window[2, :-1, 3:])
    # Beyond the edge the nearest pixel counts.
    np.testing.assert_array_equal(followed[2, 1:, -2:], window[2, :-1, [-1, -1]].swapaxes(0, 1))


def test_half_a_pixel_is_read_between_two():
    window = np.full((2, 1, 4, 2), ZERO, np.uint8)
    window[0, ..., 0] = ZERO + 1  # half a pixel, where the bound is 63.5
    window[1, ..., 1] = ZERO + np.array([0, 10, 20, 40])
    assert (trajectory(window, 63.5)[1, 0, :, 1] - ZERO).tolist() == [5, 15, 30, 40]


def test_a_rotation_is_followed_along_its_circle():
    """d(p) = (R - 1)(p - c) takes p to R p about c, so that step k sees d(R^(k-1) p)."""
    fields, size, angle, bound = 6, 65, np.deg2rad(5), 8.0
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    rows, columns = np.indices((size, size)) - size // 2
    place = np.stack([columns, rows], axis=-1).astype(float)
    step = turn - np.eye(2)
    window = np.stack([encode((place @ step.T).astype(np.float32), bound)] * fields)
    followed = decode(trajectory(window, bound), bound)
    circle = np.hypot(rows, columns) < size // 2 - 1
    for k in range(fields):
        turned = place @ np.linalg.matrix_power(turn, k).T
        error = np.abs(followed[k] - turned @ step.T)[circle]
        assert error.max() < 2.5 * bound / 127, k
    # A plain stack is off by far more.
    plain = decode(window, bound)[-1] - turned @ step.T
    assert np.abs(plain[circle]).max() > 1


@given(window=WINDOWS)
def test_trajectories_of_a_mirrored_video_are_mirrored(window):
    """Up to a step: reading between two pixels rounds."""
    apart = trajectory(mirror(window), 3.0).astype(int) - mirror(trajectory(window, 3.0))
    assert np.abs(apart).max() <= 4  # a 32nd of a pixel, which is what OpenCV reads at, of 254


@pytest.mark.parametrize("positions", [1, 2, 5, 10])
def test_both_directions_lead_away_from_the_middle_frame(positions):
    windows = np.arange(positions)[None] + np.array([[3], [40]])
    ahead, behind = bidirectional(windows)
    assert ahead.shape[-1] + behind.shape[-1] == positions
    for row, window in enumerate(windows):
        middle = window[positions // 2]
        assert ahead[row].tolist() == list(range(middle, window[-1] + 1))
        # The backward field t starts at frame t + 1: the first one at the middle frame.
        assert (behind[row] + 1).tolist() == list(range(middle, window[0], -1))


@given(stride=st.integers(1, 6), positions=st.integers(2, 12), first=st.integers(0, 50))
def test_a_stride_leads_as_far_back_as_ahead(stride, positions, first):
    window = first + stride * np.arange(positions)
    ahead, behind = bidirectional(window)
    middle = window[positions // 2]
    starts = behind + 1  # the frame that a backward field leads away from
    assert (ahead[: len(behind)] - middle).tolist() == (middle - starts).tolist()
    assert (behind >= window[0]).all()
