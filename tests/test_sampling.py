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
UNIFORM = st.builds(
    ClipSpec, segments=st.integers(1, 3), frames=st.integers(1, 20), sampling=st.just("uniform")
)
DENSE = st.builds(
    ClipSpec,
    segments=st.integers(1, 6),
    frames=st.integers(1, 6),
    stride=st.integers(1, 3),
    sampling=st.just("dense"),
    sample_range=st.integers(1, 30),
)
ANY = st.one_of(SPECS, UNIFORM, DENSE)
LENGTHS = st.integers(2, 90)  # frames of a video; shorter than the window, too


def windows(frames, spec, seed, views):
    """Training windows and the windows of every testing view, on one axis."""
    training = random_windows(frames, spec, np.random.default_rng(seed))
    return np.concatenate([training[None], even_windows(frames, spec, views)])


def starts(frames, spec):
    """How many positions a window can start at."""
    return max(1, frames - spec.span)


def drawn(frames, spec, draws=60):
    """What is drawn in training, (draws, segments, frames)."""
    rng = np.random.default_rng(0)
    return np.stack([random_windows(frames, spec, rng) for _ in range(draws)])


@given(frames=LENGTHS, spec=ANY, seed=st.integers(0, 9), views=st.integers(1, 5))
def test_indices_are_sorted_in_range_and_of_the_right_number(frames, spec, seed, views):
    found = windows(frames, spec, seed, views)
    assert found.shape == (1 + views, spec.segments, spec.frames)
    assert found.min() >= 0
    assert found.max() <= frames - 2
    assert (np.diff(found, axis=-1) >= 0).all()
    assert (np.diff(found[..., 0], axis=-1) >= 0).all()
    np.testing.assert_array_equal(found, windows(frames, spec, seed, views))


@given(
    frames=LENGTHS, spec=st.one_of(SPECS, DENSE), seed=st.integers(0, 9), views=st.integers(1, 5)
)
def test_steps_are_the_stride_unless_the_video_is_too_short(frames, spec, seed, views):
    steps = np.diff(windows(frames, spec, seed, views), axis=-1)
    if frames > spec.span:
        assert (steps == spec.stride).all()
    else:
        assert (steps <= spec.stride).all()


@given(positions=st.integers(1, 90), count=st.integers(1, 12))
def test_shares_are_equal_and_leave_no_position_out(positions, count):
    first, after = shares(positions, count)
    assert first[0] == 0
    assert after[-1] == positions
    if positions >= count:
        assert (after[:-1] == first[1:]).all()
        assert np.ptp(after - first) <= 1


@given(frames=LENGTHS, spec=SPECS)
def test_every_start_of_a_share_is_drawn_in_training(frames, spec):
    low, after = shares(starts(frames, spec), spec.segments)
    draws = drawn(frames, spec, 30)[..., 0]
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
    room = np.diff(shares(starts(frames, spec), spec.segments), axis=0)[0]
    for segment in np.flatnonzero(room >= views):
        assert len(np.unique(found[:, segment])) == views


@given(frames=LENGTHS, spec=SPECS)
def test_a_single_view_is_in_the_middle_of_its_share(frames, spec):
    low, after = shares(starts(frames, spec), spec.segments)
    start = even_windows(frames, spec)[0, :, 0]
    centre = np.minimum((low + after) // 2, frames - 2)
    np.testing.assert_array_equal(start, centre)


def test_uniform_frames_are_the_middles_of_equal_shares_of_the_video():
    spec = ClipSpec(frames=4, sampling="uniform")
    assert even_windows(13, spec).tolist() == [[[1, 4, 7, 10]]]
    assert even_windows(13, spec, views=3).tolist() == [
        [[0, 3, 6, 9]],
        [[1, 4, 7, 10]],
        [[2, 5, 8, 11]],
    ]
    two = ClipSpec(segments=2, frames=2, sampling="uniform")
    assert even_windows(13, two).tolist() == [[[1, 4], [7, 10]]]
    assert even_windows(3, spec).tolist() == [[[0, 0, 1, 1]]]  # two positions for four frames


@given(frames=LENGTHS, spec=UNIFORM)
def test_uniform_training_draws_one_frame_in_each_share_and_covers_the_video(frames, spec):
    low, after = shares(frames - 1, spec.segments * spec.frames)
    draws = drawn(frames, spec).reshape(60, -1)
    assert (draws >= low).all()
    assert (draws < after).all()
    if (after - low).max() <= 4:
        assert np.unique(draws).tolist() == list(range(frames - 1))


@given(frames=LENGTHS, spec=UNIFORM, views=st.integers(1, 8))
def test_uniform_views_differ_where_there_is_room(frames, spec, views):
    if frames - 1 >= views * spec.segments * spec.frames:
        found = even_windows(frames, spec, views).reshape(views, -1)
        assert all(len(np.unique(column)) == views for column in found.T)


def test_dense_windows_start_evenly_in_one_stretch():
    spec = ClipSpec(segments=4, frames=2, sampling="dense", sample_range=8)
    assert even_windows(22, spec).tolist() == [[[6, 7], [8, 9], [10, 11], [12, 13]]]  # 13 / 2
    ends = even_windows(22, spec, views=13)[[0, -1], :, 0]
    assert ends.tolist() == [[0, 2, 4, 6], [12, 14, 16, 18]]
    short = ClipSpec(segments=3, frames=1, sampling="dense")
    assert even_windows(10, short).tolist() == [[[0], [3], [6]]]  # 9 positions are all there is


@given(frames=LENGTHS, spec=DENSE)
def test_dense_training_draws_one_stretch_anywhere(frames, spec):
    found = drawn(frames, spec)[..., 0]
    stretch = min(spec.sample_range, starts(frames, spec))
    room = starts(frames, spec) - stretch + 1
    intervals = np.arange(spec.segments) * stretch // spec.segments
    np.testing.assert_array_equal(found, np.minimum(found[:, :1] + intervals, frames - 2))
    assert found[:, 0].max() < room
    if room <= 6:
        assert set(found[:, 0]) == set(range(min(room, frames - 1)))


def test_dense_sampling_of_tsm_is_ours_where_the_video_is_long_enough():
    """The published arithmetic: 8 frames, 8 apart, from any start that leaves 64 frames."""
    spec = ClipSpec(segments=8, frames=1, sampling="dense")
    found = drawn(101, spec, 400)[..., 0]  # 100 positions
    assert set(found[:, 0]) == set(range(1 + 100 - 64))
    assert (np.diff(found) == 64 // 8).all()


def test_one_frame_of_a_window_is_its_middle():
    assert middles(np.array([[4, 5, 6], [7, 8, 9]])).tolist() == [[5], [8]]
    assert middles(np.array([[3]])).tolist() == [[3]]


@pytest.mark.parametrize("field", ["segments", "frames", "stride", "crop", "sample_range"])
def test_a_size_that_is_not_positive_is_refused_by_name(field):
    with pytest.raises(UserError, match=f"data.clip.{field}: 0 is not a positive number"):
        ClipSpec(**{field: 0})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sampling": "uniform", "stride": 4}, "data.clip.stride: 4, but uniform .* set it to 1"),
        ({"sample_range": 32}, "data.clip.sample_range: 32 is for dense sampling, not segments"),
    ],
    ids=str,
)
def test_an_option_that_the_sampling_ignores_is_refused(options, message):
    with pytest.raises(UserError, match=message):
        ClipSpec(**options)
