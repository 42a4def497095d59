"""The colour wheel of optical flow: exact at its corners, and the same as torchvision's."""

import colorsys

import numpy as np
import pytest
import torch
from torchvision.utils import flow_to_image

from harness.flow.colour import colour


def one(x, y, largest=1.0):
    return colour(np.array([[[x, y]]], np.float32), largest)[0, 0].tolist()


def hue(x, y):
    return colorsys.rgb_to_hsv(*one(x, y))[0]


def test_no_motion_is_white_and_right_is_red():
    assert one(0, 0) == [255, 255, 255]
    assert one(1, 0) == [255, 0, 0]
    assert one(0.5, 0) == [255, 127, 127]


def test_each_direction_has_its_colour():
    red, green, blue = one(-1, 0)
    assert red == 0
    assert min(green, blue) > 200, "left is cyan"
    red, green, blue = one(0, 1)
    assert min(red, green) > 200, "down is yellow"
    assert blue == 0
    red, green, blue = one(0, -1)
    assert blue == 255, "up is violet"
    assert green == 0


@pytest.mark.parametrize("angle", range(0, 180, 15))
def test_opposite_directions_have_opposite_hues(angle):
    """As far as the wheel goes, whose steps are not of one size."""
    x, y = np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))
    apart = abs(hue(x, y) - hue(-x, -y))
    assert min(apart, 1 - apart) > 0.3


def test_longer_than_the_largest_is_dark():
    assert one(3, 0) == [191, 0, 0]


def test_is_torchvisions_wheel():
    flow = np.random.default_rng(0).normal(size=(40, 50, 2)).astype(np.float32)
    largest = float(np.linalg.norm(flow, axis=-1).max())
    theirs = flow_to_image(torch.from_numpy(flow).permute(2, 0, 1)).permute(1, 2, 0).numpy()
    assert np.abs(colour(flow, largest).astype(int) - theirs).max() <= 1
