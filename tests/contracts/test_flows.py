"""What every optical flow method owes; a new entry in FLOWS is tested by being there."""

import cv2
import numpy as np
import pytest

from harness.errors import UserError
from harness.flow import FLOWS

BORDER = 8  # what moves in from outside is anybody's guess
# Those that make flow from two frames; raft (needs trained weights to find any motion) and images
# (reads) have tests of their own: test_raft.py, test_flow_images.py.
COMPUTED = sorted(set(FLOWS) - {"raft", "images"})


def textured(height, width, seed=0):
    """Smooth coloured noise with detail at several scales, which any method can follow."""
    noise = np.random.default_rng(seed).normal(size=(height, width, 3)).astype(np.float32)
    layers = [cv2.GaussianBlur(noise, (0, 0), sigma) * sigma for sigma in (1.5, 4)]
    return cv2.normalize(sum(layers), None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)


def moved(height, width, x, y):
    """Two frames: whatever is at a pixel of the first is `x` to the right and `y` below in the
    second."""
    scene = textured(height + 16, width + 16)
    corners = ((8, 8), (8 - y, 8 - x))
    first, second = (np.ascontiguousarray(scene[a:, b:][:height, :width]) for a, b in corners)
    return first, second


@pytest.mark.parametrize("size", [(64, 80), (48, 33)], ids=str)
@pytest.mark.parametrize("motion", [(3, 0), (0, -2), (0, 0)], ids=str)
@pytest.mark.parametrize("name", COMPUTED)
def test_finds_a_known_motion_in_pixels_x_before_y(name, motion, size):
    previous, following = moved(*size, *motion)
    flow = FLOWS[name]()(previous, following)
    error = np.linalg.norm(flow - motion, axis=-1)[BORDER:-BORDER, BORDER:-BORDER]
    assert flow.shape == (*size, 2)
    assert flow.dtype == np.float32
    assert error.mean() < 0.35


@pytest.mark.parametrize("name", COMPUTED)
def test_depends_on_nothing_but_the_two_frames(name):
    pair, smaller = moved(64, 80, 3, 0), moved(24, 32, 1, 1)
    used = FLOWS[name]()
    first = used(*pair)
    used(*smaller)
    np.testing.assert_array_equal(used(*pair), first)
    np.testing.assert_array_equal(FLOWS[name]()(*pair), first)


def inside(flow):
    """The median, away from the borders."""
    return np.median(flow[BORDER:-BORDER, BORDER:-BORDER], axis=(0, 1))


@pytest.mark.parametrize("name", COMPUTED)
def test_mirrored_frames_give_mirrored_flow(name):
    method, frames = FLOWS[name](), moved(64, 80, 3, -2)
    seen = [np.ascontiguousarray(frame[:, ::-1]) for frame in frames]
    mirrored = method(*seen)[:, ::-1] * np.float32((-1, 1))
    np.testing.assert_allclose(inside(mirrored), (3, -2), atol=0.2)
    assert np.abs(mirrored - method(*frames))[BORDER:-BORDER, BORDER:-BORDER].mean() < 0.1


@pytest.mark.parametrize("name", COMPUTED)
@pytest.mark.parametrize("scale", [(0.5, 0.5), (0.5, 1), (1.5, 0.75)], ids=str)
def test_resized_frames_give_scaled_flow(name, scale):
    """Half the width is half the horizontal displacement."""
    resized = [cv2.resize(frame, None, fx=scale[0], fy=scale[1]) for frame in moved(96, 128, 4, -4)]
    expected = np.multiply((4, -4), scale)
    np.testing.assert_allclose(inside(FLOWS[name]()(*resized)), expected, atol=0.25)


@pytest.mark.parametrize("name", COMPUTED)
def test_frames_in_the_other_order_give_the_opposite_flow(name):
    previous, following = moved(64, 80, 3, 1)
    np.testing.assert_allclose(inside(FLOWS[name]()(following, previous)), (-3, -1), atol=0.2)


@pytest.mark.parametrize("name", COMPUTED)
@pytest.mark.parametrize(
    "size", [(1, 1), (2, 30), (7, 64), (8, 8), (8, 12), (8, 40), (12, 40), (40, 12), (15, 64)]
)
def test_takes_small_frames_or_says_what_it_needs(name, size):
    try:
        flow = FLOWS[name]()(*moved(*size, 1, 0))
    except UserError as error:
        assert f"{name!r} needs frames of" in str(error)  # noqa: PT017  one of the two
    else:
        assert flow.shape == (*size, 2)
        assert np.isfinite(flow).all()


@pytest.mark.parametrize("preset", ["ultrafast", "fast", "medium"])
def test_dis_reads_inside_of_frames_of_any_shape(preset):
    """OpenCV alone ends the process at 64 x 15 pixels, whichever the preset."""
    dis = FLOWS["dis"](preset=preset)
    for height in range(8, 34, 3):
        for width in (12, 20, 33, 64, 100):
            flow = dis(*moved(height, width, 1, 0))
            assert abs(np.median(flow[..., 0]) - 1) < 0.35, (height, width)
