"""Crops against closed forms and against torchvision."""

import numpy as np
import pytest
import torch
from torchvision.transforms.v2 import functional as reference

from harness.augment import CROPS
from harness.augment.box import Box
from harness.augment.fixed_crops import fixed_crops

rng = np.random.default_rng


def corners(boxes):
    return [(box.top, box.left) for box in boxes]


def test_fixed_crops_are_the_centre_three_along_the_longer_side_or_five():
    assert corners(fixed_crops((10, 14), (8, 8), 1)) == [(1, 3)]
    assert corners(fixed_crops((10, 14), (8, 8), 3)) == [(1, 0), (1, 3), (1, 6)]
    assert corners(fixed_crops((14, 9), (8, 8), 3)) == [(0, 0), (3, 0), (6, 0)]
    assert corners(fixed_crops((10, 14), (8, 8), 5)) == [(0, 0), (0, 6), (2, 0), (2, 6), (1, 3)]


def test_five_crops_are_those_of_torchvision():
    frames = rng(0).integers(256, size=(1, 20, 30, 3), dtype=np.uint8)
    ours = [
        frames[:, box.top : box.bottom, box.left : box.right]
        for box in fixed_crops((20, 30), (16, 16), 5)
    ]
    tensor = torch.from_numpy(frames).permute(0, 3, 1, 2)
    for one, other in zip(ours, reference.five_crop(tensor, [16, 16]), strict=True):
        np.testing.assert_array_equal(one, other.permute(0, 2, 3, 1).numpy())


def test_multi_scale_takes_every_pair_of_sides_at_each_of_the_fixed_places():
    """Short side 128: sides 128, 112, 96, 84, at most one step of the list apart."""
    crop = CROPS["multi_scale"]()
    boxes = [crop((128, 170), (112, 112), rng(seed)) for seed in range(2000)]
    sides = [128, 112, 96, 84]
    near = {(a, b) for i, a in enumerate(sides) for j, b in enumerate(sides) if abs(i - j) <= 1}
    assert {box.size for box in boxes} == near
    places = {(box.top, box.left) for box in boxes if box.size == (96, 96)}
    quarters = [(0, 0), (0, 4), (4, 0), (4, 4), (2, 2), (0, 2), (2, 0), (2, 4), (4, 2)]
    quarters += [(1, 1), (1, 3), (3, 1), (3, 3)]
    assert places == {(8 * down, 18 * right) for down, right in quarters}
    few = CROPS["multi_scale"](places=5, scales=(0.75,))
    assert len({few((128, 170), (112, 112), rng(seed)) for seed in range(200)}) == 5


def test_multi_scale_spares_a_resize_where_a_side_is_nearly_right():
    crop = CROPS["multi_scale"](scales=(1.0, 0.8))
    sizes = {crop((114, 150), (112, 112), rng(seed)).size for seed in range(50)}
    assert sizes == {(112, 112), (112, 91), (91, 112), (91, 91)}


def test_random_resized_areas_are_uniform_and_ratios_symmetric():
    crop = CROPS["random_resized"](scale=(0.2, 0.6), ratio=(0.5, 2.0))
    boxes = [crop((400, 400), (1, 1), rng(seed)) for seed in range(600)]
    areas = np.array([box.height * box.width for box in boxes]) / 400**2
    logs = np.log([box.width / box.height for box in boxes])
    assert areas.min() == pytest.approx(0.2, abs=0.02)
    assert areas.max() == pytest.approx(0.6, abs=0.02)
    assert areas.mean() == pytest.approx(0.4, abs=0.02)
    assert np.abs(logs).max() == pytest.approx(np.log(2), abs=0.05)
    assert logs.mean() == pytest.approx(0, abs=0.06)


def test_random_resized_falls_back_to_the_largest_box_that_is_allowed():
    crop = CROPS["random_resized"](scale=(1.0, 1.0), ratio=(1.0, 1.0))
    assert crop((10, 40), (8, 8), rng(0)) == Box(top=0, left=15, height=10, width=10)
    wide = CROPS["random_resized"](scale=(1.0, 1.0), ratio=(2.0, 2.0))
    assert wide((40, 20), (8, 8), rng(0)) == Box(top=15, left=0, height=10, width=20)
