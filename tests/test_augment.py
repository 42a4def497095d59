"""Resizing, distortions and mixes against closed forms and against torchvision."""

from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as reference

from harness.augment import CROPS, DISTORTIONS, MIXES, colours
from harness.augment.distortion import GREY, Affine
from harness.augment.rand_augment import OPERATIONS
from harness.augment.resize import resize_fields, resize_frames
from harness.errors import UserError
from harness.flow.codes import ZERO


def rng(seed=0):
    return np.random.default_rng(seed)


def noise(*shape, seed=0):
    return rng(seed).integers(256, size=shape, dtype=np.uint8)


def picture(height=24, width=30):
    """One smooth frame, (1, height, width, 3): colours of every kind."""
    y, x = np.mgrid[:height, :width] / 6
    waves = [np.sin(x + y), np.cos(x - 2 * y), np.sin(2 * x) * np.cos(y)]
    return (np.stack(waves, axis=-1)[None] * 110 + 127).astype(np.uint8)


def by_torchvision(function, frames, *args, **options):
    tensor = torch.from_numpy(frames).permute(0, 3, 1, 2)
    return function(tensor, *args, **options).permute(0, 2, 3, 1).numpy()


def assert_within(ours, theirs, levels):
    assert np.abs(ours.astype(int) - theirs.astype(int)).max() <= levels


def test_enlarged_frames_are_those_of_torchvision():
    frames = noise(2, 9, 13, 3)
    theirs = by_torchvision(reference.resize, frames, [24, 31], antialias=True)
    assert_within(resize_frames(frames, (24, 31)), theirs, 1)


def test_shrunken_frames_are_means_over_areas():
    frames = noise(2, 12, 18, 3)
    means = frames.reshape(2, 6, 2, 6, 3, 3).mean((2, 4))
    assert np.abs(resize_frames(frames, (6, 6)) - means).max() <= 0.51


@given(x=st.integers(-127, 127), y=st.integers(-127, 127), height=st.integers(2, 40))
def test_resized_flow_grows_with_the_frame(x, y, height):
    """Closed form: a field of one vector stays one, times the scale of each axis."""
    codes = np.broadcast_to(np.array([x, y], np.int64) + ZERO, (1, 10, 20, 2)).astype(np.uint8)
    found = resize_fields(codes, (height, 30)).astype(int) - ZERO
    exact = np.clip([x * 30 / 20, y * height / 10], -127, 127)
    assert np.abs(found - exact).max() <= 0.5 + 1e-5  # halves may be rounded either way


def test_no_motion_stays_none_however_often_it_is_resized():
    codes = np.full((1, 11, 7, 2), ZERO, np.uint8)
    for size in ((5, 9), (30, 20), (13, 13)):
        codes = resize_fields(codes, size)
        assert (codes == ZERO).all()


FACTORS = [0.0, 0.3, 0.9, 1.0, 1.4, 1.9]
BY_FACTOR = {
    colours.brightness: reference.adjust_brightness,
    colours.contrast: reference.adjust_contrast,
    colours.saturation: reference.adjust_saturation,
    colours.sharpness: reference.adjust_sharpness,
}


@pytest.mark.parametrize("factor", FACTORS)
@pytest.mark.parametrize("change", BY_FACTOR, ids=lambda change: change.__name__)
@pytest.mark.parametrize("frames", [picture(), noise(1, 16, 16, 3)], ids=["smooth", "noise"])
def test_factors_change_colours_as_in_torchvision(change, factor, frames):
    assert_within(change(frames, factor), by_torchvision(BY_FACTOR[change], frames, factor), 2)


@pytest.mark.parametrize("turns", [-0.5, -0.13, 0.0, 0.02, 0.4])
@pytest.mark.parametrize("frames", [picture(), noise(1, 16, 16, 3)], ids=["smooth", "noise"])
def test_hue_is_turned_as_in_torchvision(turns, frames):
    assert_within(
        colours.hue(frames, turns), by_torchvision(reference.adjust_hue, frames, turns), 2
    )


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (colours.auto_contrast, reference.autocontrast),
        (colours.equalize, reference.equalize),
        (lambda f: colours.solarize(f, 99.5), lambda t: reference.solarize(t, 99.5)),
        (lambda f: colours.posterize(f, 3), lambda t: reference.posterize(t, 3)),
    ],
    ids=["auto_contrast", "equalize", "solarize", "posterize"],
)
@pytest.mark.parametrize(
    "frames",
    [picture(), noise(1, 16, 16, 3) // 3 + 50, np.full((1, 8, 8, 3), 7, np.uint8)],
    ids=["smooth", "narrow", "flat"],
)
def test_what_looks_at_levels_is_as_in_torchvision(ours, theirs, frames):
    difference = np.abs(ours(frames).astype(int) - by_torchvision(theirs, frames))
    assert difference.max() <= 1
    assert difference.mean() < 0.1  # where a quotient is whole but for rounding


def test_a_quarter_turn_is_exact_for_frames_and_flow():
    """Clockwise, y being downwards: (x, y) -> (-y, x)."""
    quarter = Affine(np.array([[0.0, -1.0], [1.0, 0.0]]))
    frames, codes = noise(2, 9, 9, 3), np.maximum(noise(2, 9, 9, 2), 1)
    turned = np.rot90(codes.astype(int) - ZERO, -1, axes=(1, 2))
    np.testing.assert_array_equal(quarter.frames(frames), np.rot90(frames, -1, axes=(1, 2)))
    expected = np.stack([-turned[..., 1], turned[..., 0]], axis=-1)
    np.testing.assert_array_equal(quarter.fields(codes).astype(int) - ZERO, expected)


def test_a_shift_moves_flow_without_changing_it_and_what_comes_in_is_still():
    shift = Affine(np.eye(2), shift=(2 / 8, -1 / 6))
    frames, codes = noise(1, 6, 8, 3), np.maximum(noise(1, 6, 8, 2), 1)
    np.testing.assert_array_equal(shift.frames(frames)[:, :5, 2:], frames[:, 1:, :6])
    np.testing.assert_array_equal(shift.fields(codes)[:, :5, 2:], codes[:, 1:, :6])
    assert (shift.frames(frames)[:, 5] == GREY[0]).all()
    assert (shift.fields(codes)[:, :, :2] == ZERO).all()


@pytest.mark.parametrize(
    ("name", "options"),
    [
        # torchvision shears the other way; either sign is drawn equally often
        ("rotate", {"angle": 0.5 * 30}),
        ("shear_x", {"shear": [-np.degrees(np.arctan(0.15)), 0]}),
        ("shear_y", {"shear": [0, -np.degrees(np.arctan(0.15))]}),
        ("translate_x", {"translate": [7, 0]}),
        ("translate_y", {"translate": [0, 7]}),
    ],
)
def test_geometric_operations_are_those_of_torchvision_about_the_centre(name, options):
    frames = picture(31, 31)
    strength = 0.5 if "translate" not in name else 7 / 31 * 331 / 150
    usual = {"angle": 0.0, "translate": [0, 0], "scale": 1.0, "shear": [0.0, 0.0]}
    theirs = by_torchvision(
        reference.affine,
        frames,
        **usual | options,
        interpolation=InterpolationMode.BILINEAR,
        fill=list(map(float, GREY)),
    )
    ours = OPERATIONS[name](strength).frames(frames)
    inside = np.s_[:, 2:-2, 2:-2]  # half of a border pixel is outside
    difference = np.abs(ours.astype(int) - theirs)[inside]
    assert np.median(difference) <= 1
    assert np.mean(difference > 6) < 0.06  # along slanted borders alone


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("strength", [-1.0, -0.3, 0.0, 0.3, 1.0])
def test_operations_take_every_strength(name, strength):
    frames, codes = noise(2, 12, 15, 3), np.maximum(noise(2, 12, 15, 2), 1)
    step = OPERATIONS[name](strength)
    assert step.frames(frames).shape == frames.shape
    assert step.fields(codes).min() >= 1
    if strength == 0 and name not in ("auto_contrast", "equalize", "solarize"):
        assert_within(step.frames(frames), frames, 1)
        np.testing.assert_array_equal(step.fields(codes), codes)


def test_rand_augment_draws_all_operations_equally_often_and_in_both_directions():
    distort = DISTORTIONS["rand_augment"](ops=1, magnitude=30)
    frames = picture()
    seen = Counter(distort(rng(seed)).frames(frames).tobytes() for seed in range(1400))
    both = {n for n in OPERATIONS if len({_made(n, sign, frames) for sign in (-1, 1)}) == 2}
    made = {_made(name, sign, frames) for name in OPERATIONS for sign in (-1, 1)}
    assert set(seen) == made
    assert {"rotate", "shear_x", "translate_y", "brightness", "sharpness"} <= both
    for name in both:
        assert 25 < seen[_made(name, 1, frames)] < 85  # of 50


def _made(name, sign, frames):
    return OPERATIONS[name](float(sign)).frames(frames).tobytes()


def test_jitter_stays_in_its_ranges_and_draws_the_order():
    distort = DISTORTIONS["jitter"](brightness=0.2, contrast=0.5, saturation=0.0, hue=0.05)
    orders, factors = set(), []
    for seed in range(200):
        steps = distort(rng(seed)).steps
        orders.add(tuple(step.change.func.__name__ for step in steps))
        by_name = {step.change.func.__name__: step.change.keywords for step in steps}
        factors.append((by_name["brightness"]["factor"], by_name["hue"]["turns"]))
    assert len(orders) == 6
    low, high = np.min(factors, axis=0), np.max(factors, axis=0)
    np.testing.assert_allclose(low, [0.8, -0.05], atol=0.01)
    np.testing.assert_allclose(high, [1.2, 0.05], atol=0.01)
    assert (
        DISTORTIONS["jitter"](brightness=0.0, contrast=0.0, saturation=0.0, hue=0.0)(rng()).steps
        == []
    )


@pytest.mark.parametrize(
    ("table", "name", "options", "message"),
    [
        (
            CROPS,
            "random_resized",
            {"scale": (0.5, 0.1)},
            "scale: needs 0 < low <= high, got 0.5 to 0.1",
        ),
        (
            CROPS,
            "random_resized",
            {"scale": (0.5, 2.0)},
            "scale: must be at most 1, the frame, got 2.0",
        ),
        (CROPS, "random_resized", {"ratio": (0.0, 1.0)}, "ratio: needs 0 < low <= high, got 0.0"),
        (CROPS, "multi_scale", {"scales": (1.5,)}, r"scales: .* over 0, at most 1, got \[1.5\]"),
        (CROPS, "multi_scale", {"scales": ()}, r"scales: .*, got \[\]"),
        (CROPS, "multi_scale", {"max_distort": -1}, "max_distort: must be at least 0, got -1"),
        (DISTORTIONS, "jitter", {"contrast": -0.1}, "contrast: must be at least 0, got -0.1"),
        (DISTORTIONS, "jitter", {"hue": 0.6}, "hue: must be from 0 to 0.5 turns, got 0.6"),
        (DISTORTIONS, "rand_augment", {"ops": 0}, "ops: must be at least 1, got 0"),
        (DISTORTIONS, "rand_augment", {"magnitude": 31}, "magnitude: must be from 0 to 30, got 31"),
        (MIXES, "mixup", {"alpha": 0.0}, "alpha: must be more than 0, got 0.0"),
        (MIXES, "cutmix", {"alpha": -1.0}, "alpha: must be more than 0, got -1.0"),
    ],
    ids=str,
)
def test_an_option_out_of_its_range_is_refused_by_name(table, name, options, message):
    with pytest.raises(UserError, match=f"^{message}"):
        table[name](**options)
