"""Closed forms of multiplications against torch's counter, brute force and published numbers."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from harness.bench import closed_form
from harness.bench.counts import work, work_of
from harness.bench.networks import SUBJECTS
from harness.bench.products import products
from harness.convs.swap import swap


@st.composite
def conv_and_size(draw):
    dimensions = draw(st.sampled_from([2, 3]))
    few = st.integers(1, 3)
    groups = draw(st.integers(1, 2))
    conv = [nn.Conv2d, nn.Conv3d][dimensions - 2](
        groups * draw(few),
        groups * draw(few),
        [draw(few) for _ in range(dimensions)],
        stride=[draw(st.integers(1, 2)) for _ in range(dimensions)],
        padding=[draw(st.integers(0, 2)) for _ in range(dimensions)],
        dilation=[draw(st.integers(1, 2)) for _ in range(dimensions)],
        groups=groups,
        bias=False,
        device="meta",
    )
    return conv, [draw(st.integers(5, 8)) for _ in range(dimensions)]


@given(case=conv_and_size())
def test_direct_macs_are_half_of_the_flops_that_torch_counts(case):
    conv, size = case
    done = work(lambda: conv(torch.empty(1, conv.in_channels, *size, device="meta")))
    assert closed_form.direct(conv, size) == done.macs
    assert done.flops == 2 * done.macs
    assert done.uncounted == {}


@given(case=conv_and_size())
def test_valid_macs_are_the_taps_that_meet_the_input(case):
    conv, size = case
    function = F.conv2d if len(size) == 2 else F.conv3d
    ones = torch.ones(1, conv.in_channels, *size)
    weight = torch.ones(conv.weight.shape)
    met = function(ones, weight, None, conv.stride, conv.padding, conv.dilation, conv.groups)
    assert closed_form.valid(conv, size) == int(met.sum())


SIZES = [(56, 56), (28, 28), (14, 14), (7, 7)]
CLIPS = [(8, 56, 56), (4, 28, 28), (2, 14, 14), (4, 14, 14)]


@pytest.mark.parametrize(
    ("sizes", "tile", "limits"),
    [
        (SIZES, (2, 2), (2.20, 2.14, 2.04, 1.60)),
        (SIZES, (4, 4), (3.91, 3.81, 3.31, 2.98)),
        (CLIPS, (2, 2, 2), (3.02, 2.68, 2.04, 2.55)),
        (CLIPS, (2, 4, 4), (5.37, 4.76, 3.31, 4.13)),
        (CLIPS, (4, 4, 4), (7.16, 6.35, 2.2, 5.51)),
    ],
)
def test_limits_of_winograd(sizes, tile, limits):
    kind = nn.Conv2d if len(tile) == 2 else nn.Conv3d
    conv = kind(64, 64, 3, padding=1, device="meta")
    found = [round(closed_form.limit(conv, size, tile), 2) for size in sizes]
    assert found == list(limits)


def test_the_last_tiles_of_an_image_take_what_they_have_to():
    conv = nn.Conv2d(1, 1, 3, padding=1, device="meta")
    products = [closed_form.winograd(conv, (1 + n, 4), (4, 4)) // 6 for n in range(1, 12)]
    assert products == [4, 5, 6, 10, 10, 11, 12, 16, 16, 17, 18]
    video = nn.Conv3d(1, 1, 3, padding=1, device="meta")
    assert (
        closed_form.winograd(video, (6, 6, 6), (4, 4, 4)) == 12 * 10 * 10
    )  # frames in whole tiles


def test_where_tiles_fit_the_reduction_is_the_formula():
    conv = nn.Conv2d(5, 7, 3, padding=1, device="meta")
    direct, fast = (f for f in (closed_form.direct, closed_form.winograd))
    assert direct(conv, (8, 12)) / fast(conv, (8, 12), (4, 4)) == closed_form.reduction(4, 3, 2)


def test_known_networks_cost_what_is_published():
    resnet = work_of(SUBJECTS["resnet18"].build, SUBJECTS["resnet18"].size)
    assert resnet["params"] == 11_689_512  # torchvision's documentation
    assert round(resnet["macs"] / 1e9, 2) == 1.81
    assert resnet["flops"] == 2 * resnet["macs"]
    assert "relu_ x 17" in resnet["uncounted"]
    video = work_of(SUBJECTS["r3d_18"].build, SUBJECTS["r3d_18"].size)
    assert video["params"] == 33_371_472
    assert round(video["macs"] / 1e9, 2) == 40.70


def test_what_torch_does_not_count_is_named_with_its_calls():
    def forward():
        x = torch.empty(2, 8, 8, device="meta")
        y = torch.fft.rfft2(x) * 2
        return torch.fft.irfft2(y + y).relu().view(2, -1)

    done = work(forward)
    assert done.flops == 0
    assert done.uncounted["_fft_r2c"] == 1
    assert done.uncounted["relu"] == 1
    assert "view" not in done.uncounted
    assert "_fft_r2c x 1" in done.listed


def test_products_of_a_network_follow_the_algorithm_under_each_layer():
    def network():
        return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 3, stride=2))

    batch = torch.empty(5, 3, 8, 8, device="meta")
    plain = products(network(), batch)
    assert plain.computed == plain.direct == 5 * (4 * 3 * 9 * 64 + 4 * 4 * 9 * 9)
    assert plain.valid == 5 * (4 * 3 * 22 * 22 + 4 * 4 * 9 * 9)
    swapped = network()
    swap(swapped, (3, 8, 8), name="n", algorithm=("winograd", {"tile": 2}))
    fast = products(swapped, batch)
    assert (fast.direct, fast.valid) == (plain.direct, plain.valid)
    assert fast.computed == 5 * (4 * 3 * 16 * 16 + 4 * 4 * 9 * 9)


def test_a_module_that_does_not_say_how_it_multiplies_leaves_the_sum_unknown():
    class Other(nn.Conv2d):
        def forward(self, input):
            return super().forward(input)

    batch = torch.empty(1, 3, 8, 8, device="meta")
    assert products(Other(3, 4, 3), batch).computed is None
    Other.multiplications = lambda _, size: len(size)
    assert products(Other(3, 4, 3), batch).computed == 2


def test_an_axis_of_one_value_takes_one_product_of_three():
    conv = nn.Conv3d(2, 2, 3, padding=1, device="meta")
    assert closed_form.winograd(conv, (1, 8, 8), (2, 4, 4)) == 4 * 12 * 12
    assert closed_form.winograd(conv, (1, 1, 1), (2, 2, 2)) == 4 * 4 * 3 * 3  # none would be left


def test_what_has_fallen_back_multiplies_directly():
    network = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1))
    swap(network, (3, 8, 8), name="n", algorithm=("winograd", {"tile": 2}))
    batch = torch.empty(1, 3, 8, 8, device="meta")
    found = products(network, batch, directly=set(network.modules()))
    assert found.computed == found.direct > products(network, batch).computed
