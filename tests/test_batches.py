"""Batches of cached clips: what is drawn, and on what it depends."""

import numpy as np
import pytest
from cached_clips import CLIPS, assert_equal, batches, by_video, clip, epoch_of, telling_cache
from hypothesis import given
from hypothesis import strategies as st


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return telling_cache(tmp_path_factory.mktemp("cache"))


@pytest.mark.parametrize("rgb_frames", [0, 1, 4])
@pytest.mark.parametrize("flow", [True, False])
def test_shapes_and_types(cache, rgb_frames, flow):
    made = epoch_of(batches(cache, rgb_frames=rgb_frames, flow=flow))
    shapes = {"label": (7,), "video": (7,), "mirrored": (7,)}
    if rgb_frames:
        shapes["rgb"] = (7, 2, rgb_frames, 8, 8, 3)
    if flow:
        shapes["flow"] = (7, 2, 4, 8, 8, 2)
    assert {name: array.shape for name, array in made.items()} == shapes
    assert made["label"].dtype == made["video"].dtype == np.int64
    assert all(made[name].dtype == np.uint8 for name in shapes.keys() & {"rgb", "flow"})


def test_every_video_once_an_epoch_with_its_label(cache):
    made = batches(cache)
    epoch = epoch_of(made)
    assert sorted(epoch["video"]) == list(range(7))
    for video, label, rgb in zip(epoch["video"], epoch["label"], epoch["rgb"], strict=True):
        assert made.ids[video] == f"v{video}"
        assert label == video % 3
        assert (rgb[..., 2] // 20 == video).all()


def test_the_same_seed_and_epoch_give_the_same_bits(cache):
    once = epoch_of(batches(cache), 3)
    assert_equal(once, epoch_of(batches(cache), 3))
    twice = batches(cache)
    epoch_of(twice, 2)
    assert_equal(once, epoch_of(twice, 3))


def test_epochs_and_seeds_differ_in_order_and_in_draws(cache):
    first = epoch_of(batches(cache), 0)
    for other in (epoch_of(batches(cache), 1), epoch_of(batches(cache, seed=2), 0)):
        assert (first["video"] != other["video"]).any()
        assert (by_video(first)["rgb"] != by_video(other)["rgb"]).any()


def test_clips_of_an_epoch_are_drawn_independently(cache):
    rows = epoch_of(batches(cache))["rgb"][:, 0, 0, 0, 0, 1] % 100
    assert len(set(rows.tolist())) > 1


@given(batch_size=st.integers(1, 9))
def test_a_clip_is_drawn_alike_whatever_the_batch_size(cache, batch_size):
    assert_equal(epoch_of(batches(cache)), epoch_of(batches(cache, batch_size=batch_size)))


def test_a_clip_is_drawn_alike_whatever_is_taken_of_it(cache):
    both = epoch_of(batches(cache))
    np.testing.assert_array_equal(epoch_of(batches(cache, rgb_frames=0))["flow"], both["flow"])
    np.testing.assert_array_equal(epoch_of(batches(cache, flow=False))["rgb"], both["rgb"])
    one = epoch_of(batches(cache, rgb_frames=1))["rgb"]
    np.testing.assert_array_equal(one, both["rgb"][:, :, 2:3])


@given(videos=st.integers(0, 7), batch_size=st.integers(1, 9), training=st.booleans())
def test_batches_are_full_but_the_last_and_never_one_sample(cache, videos, batch_size, training):
    made = batches(cache, CLIPS[:videos], batch_size=batch_size, training=training)
    lengths = [len(batch["label"]) for batch in made]
    assert len(made) == len(lengths)
    assert sum(lengths) == videos
    assert all(length == batch_size for length in lengths[:-1])
    if training and batch_size > 1 and videos > 1:
        assert 2 <= lengths[-1] <= batch_size + 1
    elif videos:
        assert 1 <= lengths[-1] <= batch_size + training


def test_positions_are_windows_in_order(cache):
    for epoch in range(5):
        times = epoch_of(batches(cache), epoch)["rgb"][..., 0, 0, 0].astype(int)
        assert (np.diff(times, axis=-1) == 1).all()
        assert (times[:, 0, 0] <= times[:, 1, 0]).all()


def test_clips_that_are_not_cached_are_left_out_and_counted(cache):
    made = batches(cache, [CLIPS[4], clip("x"), CLIPS[2]])
    assert made.ids == ["v4", "v2"]
    assert made.missing == 1
    epoch = by_video(epoch_of(made))
    assert epoch["label"].tolist() == [1, 2]
    assert (epoch["rgb"][0, ..., 2] // 20 == 4).all()


def test_some_other_number_of_frames_is_a_programming_error(cache):
    with pytest.raises(ValueError, match="rgb_frames: 3, not 0, 1 or 4"):
        batches(cache, rgb_frames=3)
