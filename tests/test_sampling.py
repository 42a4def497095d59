"""The index arithmetic of windows, segments and views."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.data.sampling import ClipSpec, even_windows, middles, random_windows, shares
from harness.errors import UserError

SPECS = st.builds(
    ClipSpec, segments=st.integers(1, 6), frames=st.integers(1, 12), stride=st.integers(1, 4)
)
LENGTHS = st.integers(2, 90)  # frames of a video; shorter than the window, too


def windows(frames, spec, seed, views):
    """Training windows and the windows of every testing view, on one axis."""
    training = random_windows(frames, spec, np.random.default_rng(seed))
    return np.concatenate([training[None], even_windows(frames, spec, views)])


@given(frames=LENGTHS, spec=SPECS, seed=st.integers(0, 9), views=st.integers(1, 5))
def test_indices_are_sorted_in_range_and_of_the_right_number(frames, spec, seed, views):
    found = windows(frames, spec, seed, views)
    assert found.shape == (1 + views, spec.segments, spec.frames)
    assert found.min() >= 0
    assert found.max() <= frames - 2
    assert (np.diff(found, axis=-1) >= 0).all()
    assert (np.diff(found[..., 0], axis=-1) >= 0).all()
    np.testing.assert_array_equal(found, windows(frames, spec, seed, views))


@given(frames=LENGTHS, spec=SPECS, seed=st.integers(0, 9), views=st.integers(1, 5))
def test_steps_are_the_stride_unless_the_video_is_too_short(frames, spec, seed, views):
    steps = np.diff(windows(frames, spec, seed, views), axis=-1)
    if frames > spec.span:
        assert (steps == spec.stride).all()
    else:
        assert (steps <= spec.stride).all()


@given(frames=LENGTHS, spec=SPECS)
def test_segments_share_the_starts_equally_and_leave_none_out(frames, spec):
    first, after = shares(frames, spec).T
    starts = max(1, frames - spec.span)
    assert first[0] == 0
    assert after[-1] == starts
    if starts >= spec.segments:
        assert (after[:-1] == first[1:]).all()
        assert np.ptp(after - first) <= 1


@given(frames=LENGTHS, spec=SPECS)
def test_every_start_of_a_share_is_drawn_in_training(frames, spec):
    low, after = shares(frames, spec).T
    rng = np.random.default_rng(0)
    draws = np.stack([random_windows(frames, spec, rng)[:, 0] for _ in range(30)])
    assert (draws >= np.minimum(low, frames - 2)).all()
    assert (draws < after).all()
    if (after - low).max() <= 3:
        assert (np.ptp(draws, axis=0) == np.minimum(after - low - 1, frames - 2)).all()


@given(frames=LENGTHS, length=st.integers(1, 12))
def test_enough_segments_cover_the_whole_video(frames, length):
    spec = ClipSpec(segments=max(1, frames - length), frames=length)
    assert np.unique(even_windows(frames, spec)).tolist() == list(range(frames - 1))


@given(frames=LENGTHS, spec=SPECS, views=st.integers(1, 8))
def test_views_differ_where_there_is_room(frames, spec, views):
    found = even_windows(frames, spec, views)[..., 0]
    room = np.diff(shares(frames, spec), axis=-1)[:, 0]
    for segment in np.flatnonzero(room >= views):
        assert len(np.unique(found[:, segment])) == views


@given(frames=LENGTHS, spec=SPECS)
def test_a_single_view_is_in_the_middle_of_its_share(frames, spec):
    low, after = shares(frames, spec).T
    start = even_windows(frames, spec)[0, :, 0]
    centre = np.minimum((low + after) // 2, frames - 2)
    np.testing.assert_array_equal(start, centre)


def test_one_frame_of_a_window_is_its_middle():
    assert middles(np.array([[4, 5, 6], [7, 8, 9]])).tolist() == [[5], [8]]
    assert middles(np.array([[3]])).tolist() == [[3]]


@pytest.mark.parametrize("field", ["segments", "frames", "stride", "crop"])
def test_a_size_that_is_not_positive_is_refused_by_name(field):
    with pytest.raises(UserError, match=f"data.clip.{field}: 0 is not a positive number"):
        ClipSpec(**{field: 0})
