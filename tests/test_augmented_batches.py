"""Batches: what is cut out of each clip, mirrored, distorted and mixed, alike in both inputs."""

from dataclasses import replace
from itertools import pairwise

import cv2
import numpy as np
import pytest
from cached_clips import (
    CLIPS,
    assert_equal,
    batches,
    cache_of,
    clip,
    epoch_of,
    telling,
    telling_cache,
)

from harness.augment import CROPS, DISTORTIONS, MIXES
from harness.augment.augmentation import Augmentation
from harness.data.sampling import ClipSpec
from harness.data.views import Views
from harness.errors import UserError
from harness.flow import FLOWS
from harness.flow.codes import ZERO, decode, encode


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return telling_cache(tmp_path_factory.mktemp("cache"))


def test_crops_are_one_place_of_the_video_for_frames_and_flow(cache):
    epochs = [epoch_of(batches(cache), epoch) for epoch in range(30)]
    corners = set()
    for epoch in epochs:
        for rgb, flow in zip(epoch["rgb"], epoch["flow"], strict=True):
            rows, columns = rgb[..., 1].astype(int) % 100, rgb[..., 2].astype(int) % 20
            x = flow[..., 0].astype(int) - 1
            mirrored = columns[0, 0, 0, 0] > columns[0, 0, 0, -1]
            if mirrored:  # negated: 256 - (column + 1) - 1
                x = 254 - x
            np.testing.assert_array_equal(columns, x)
            np.testing.assert_array_equal((flow[..., 1] - rgb[..., 0]) // 10, rows)
            assert (rgb[..., 0] == rgb[:, :, :1, :1, 0]).all()  # one frame at a time, whole
            corners.add((rows.min(), columns.min(), bool(mirrored)))
    assert {row for row, _, _ in corners} == {0, 1, 2}
    assert {column for _, column, _ in corners} >= {0, 1, 2, 3, 4}
    assert {mirrored for _, _, mirrored in corners} == {True, False}


def test_nothing_is_mirrored_unless_asked(cache):
    spec = ClipSpec(frames=4, crop=8)
    for epoch in range(5):
        columns = epoch_of(batches(cache, spec=spec), epoch)["rgb"][..., 2].astype(int)
        assert (np.diff(columns, axis=-1) == 1).all()


def test_mirroring_where_labels_have_no_mirror_image_is_a_programming_error(cache):
    with pytest.raises(ValueError, match="no mirror image"):
        batches(cache, mirrored=None)
    with pytest.raises(ValueError, match="no mirror image"):
        batches(cache, training=False, mirrored=None, views=Views(mirror=True))
    assert epoch_of(batches(cache, mirrored=None, spec=ClipSpec(frames=4, crop=8)))


def test_a_mirrored_sample_is_the_flow_of_mirrored_frames(tmp_path):
    """The flow method itself is the reference: it is run on the frames in a mirror."""
    noise = np.random.default_rng(0).normal(size=(60, 80)).astype(np.float32)
    scene = cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 2), None, 0, 255, cv2.NORM_MINMAX)
    grey = [scene[8:48, 4 + 3 * t : 52 + 3 * t].astype(np.uint8) for t in range(4)]
    method = FLOWS["dis"]()
    rgb = np.repeat(np.stack(grey)[..., None], 3, axis=-1)
    flow = np.stack([encode(method(*pair), 20.0) for pair in pairwise(rgb)])
    cache = cache_of(tmp_path, {"a": (rgb, flow)})
    made = batches(
        cache,
        [clip("a")],
        ClipSpec(frames=3),
        training=False,
        mirrored=[0],
        views=Views(mirror=True),
        batch_size=2,
    )
    plain, mirrored = epoch_of(made)["flow"][:, 0].astype(int)
    seen = np.ascontiguousarray(rgb[:, :, ::-1])
    recomputed = np.stack([encode(method(*pair), 20.0) for pair in pairwise(seen)])
    inside = np.s_[:, 10:-10, 10:-10]
    assert np.median(plain[..., 0]) < ZERO - 10  # it moves
    assert np.abs(mirrored - recomputed)[inside].mean() < 1
    assert np.median(decode(recomputed, 20.0)[..., 0]) == pytest.approx(3, abs=0.2)


def test_no_crop_takes_the_whole_frame(tmp_path):
    cache = cache_of(tmp_path, {f"v{number}": telling(number) for number in range(3)})
    made = epoch_of(batches(cache, CLIPS[:3], ClipSpec(frames=4)))
    assert made["rgb"].shape == (3, 1, 4, 10, 12, 3)


def test_no_crop_of_videos_that_differ_in_size_is_refused(cache):
    with pytest.raises(UserError, match=r"set it to 10 or less \(v0 is 10 x 12\)"):
        batches(cache, spec=ClipSpec(frames=4))


def test_a_crop_that_does_not_fit_is_refused_with_the_clip(cache):
    assert batches(cache, spec=ClipSpec(frames=4, crop=10)).size == (10, 10)
    with pytest.raises(UserError, match=r"data.clip.crop: 11, but v0 is 10 x 12 pixels"):
        batches(cache, spec=ClipSpec(frames=4, crop=11))


STRONG = Augmentation(
    crop=CROPS["random_resized"](), distort=DISTORTIONS["rand_augment"](), mix=MIXES["mixup"]()
)


def test_augmented_samples_depend_on_seed_epoch_and_video_alone(cache):
    strong = replace(STRONG, mix=MIXES["none"]())
    made = [epoch_of(batches(cache, batch_size=n, augmentation=strong), 2) for n in (1, 3, 7)]
    assert_equal(made[0], made[1])
    assert_equal(made[0], made[2])
    flow = epoch_of(batches(cache, rgb_frames=0, augmentation=strong), 2)["flow"]
    np.testing.assert_array_equal(flow, made[0]["flow"])
    assert made[0]["rgb"].shape == (7, 2, 4, 8, 8, 3)
    assert (made[0]["rgb"] != epoch_of(batches(cache), 2)["rgb"]).any()


def test_mixing_depends_on_seed_epoch_and_the_number_of_the_batch(cache):
    def shares(seed=1, epoch=0, take=slice(None), **changes):
        made = batches(cache, seed=seed, augmentation=STRONG, batch_size=2, **changes)
        made.set_epoch(epoch)
        return [float(batch["share"][0]) for batch in made][take]

    assert len(set(shares())) == 3
    assert shares() == shares() == shares(rgb_frames=0)
    assert not set(shares()) & set(shares(epoch=1))
    assert not set(shares()) & set(shares(seed=2))


def test_no_two_draws_of_an_epoch_share_a_stream(cache, monkeypatch):
    seeds, default_rng = [], np.random.default_rng
    monkeypatch.setattr(
        np.random, "default_rng", lambda seed: seeds.append(seed) or default_rng(seed)
    )
    made = batches(cache, augmentation=STRONG, batch_size=2)
    epoch_of(made, 4)
    assert len(seeds) == len(set(seeds)) == 7 + 1 + len(made)
    assert {seed[:2] for seed in seeds} == {(1, 4)}


def test_testing_is_never_augmented(cache):
    plain = epoch_of(batches(cache, training=False))
    assert_equal(plain, epoch_of(batches(cache, training=False, augmentation=STRONG)))
