"""What testing takes of a video: times, places and sides, in order; and labels in the mirror."""

import numpy as np
import pytest
from cached_clips import CLIPS, assert_equal, batches, epoch_of, telling_cache

from harness.data.views import Views


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return telling_cache(tmp_path_factory.mktemp("cache"))


def test_testing_takes_the_centre_in_order_and_draws_nothing(cache):
    made = epoch_of(batches(cache, training=False), 0)
    assert made["video"].tolist() == list(range(7))
    assert_equal(made, epoch_of(batches(cache, training=False, seed=5), 9))
    assert (made["rgb"][:, 0, 0, 0, 0, 1] % 100 == 1).all()  # 8 of 10 rows
    widths = np.array([12 + number % 3 for number in range(7)])
    np.testing.assert_array_equal(made["rgb"][:, 0, 0, 0, 0, 2] % 20, (widths - 8) // 2)


def test_views_and_mirrors_of_a_video_follow_each_other(cache):
    made = epoch_of(batches(cache, training=False, views=Views(times=3, mirror=True), batch_size=4))
    assert made["video"].tolist() == np.repeat(range(7), 6).tolist()
    np.testing.assert_array_equal(made["rgb"][1::2], made["rgb"][::2, ..., ::-1, :])
    np.testing.assert_array_equal(made["flow"][1::2, ..., 0], -made["flow"][::2, ..., ::-1, 0])
    np.testing.assert_array_equal(made["flow"][1::2, ..., 1], made["flow"][::2, ..., ::-1, 1])
    starts = made["rgb"][::2, 0, 0, 0, 0, 0].reshape(7, 3)
    assert (np.diff(starts[-1].astype(int)) > 0).all()
    once = epoch_of(batches(cache, training=False, views=Views(times=3)))
    np.testing.assert_array_equal(once["rgb"], made["rgb"][::2])


def test_samples_of_a_video_are_ordered_by_time_then_place_then_side(cache):
    views = Views(times=25, crops=5, mirror=True)  # 25 frames x 10 crops
    made = epoch_of(batches(cache, CLIPS[6:], training=False, views=views, batch_size=16))
    assert len(made["video"]) == len(views) == 250
    assert made["mirrored"].tolist() == [False, True] * 125
    rgb = made["rgb"].reshape(25, 5, 2, 2, 4, 8, 8, 3)
    first = rgb[:, :, 0, 0, 0, 0, 0].astype(int)  # times, crops, the upper left pixel
    assert (first[..., 0] == first[:, :1, 0]).all()
    assert (np.diff(first[:, 0, 0]) >= 0).all()
    corners = (first[0, :, 1] % 100, first[0, :, 2] % 20)  # of 10 x 12 pixels
    np.testing.assert_array_equal(corners, [[0, 0, 2, 2, 1], [0, 4, 0, 4, 2]])
    np.testing.assert_array_equal(rgb[:, :, 1], rgb[:, :, 0, ..., ::-1, :])


def test_three_crops_lie_along_the_longer_side(cache):
    views = Views(crops=3)
    made = epoch_of(batches(cache, CLIPS[:1], training=False, views=views))["rgb"]
    assert (made[:, 0, 0, 0, 0, 1] % 100).tolist() == [1, 1, 1]
    assert (made[:, 0, 0, 0, 0, 2] % 20).tolist() == [0, 2, 4]


def test_a_mirrored_sample_is_trained_with_the_label_of_its_mirror_image(cache):
    labels = set()
    for epoch in range(4):
        made = epoch_of(batches(cache, mirrored=[1, 0, 2]), epoch)
        rgb = made["rgb"][:, 0, 0, 0].astype(int)
        np.testing.assert_array_equal(made["mirrored"], rgb[:, 0, 2] > rgb[:, 1, 2])
        as_filmed = made["video"] % 3
        expected = np.where(made["mirrored"], np.array([1, 0, 2])[as_filmed], as_filmed)
        np.testing.assert_array_equal(made["label"], expected)
        labels |= set(zip(as_filmed, made["label"], strict=True))
    assert labels == {(0, 0), (0, 1), (1, 0), (1, 1), (2, 2)}


def test_a_mirrored_test_sample_keeps_the_label_of_its_video(cache):
    views = Views(mirror=True)
    made = epoch_of(batches(cache, training=False, mirrored=[1, 0, 2], views=views))
    np.testing.assert_array_equal(made["label"], made["video"] % 3)
