"""IGCV1: the permutation, who sees whom, the two limits, the number of weights."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from harness.convs.operators.interleaved import Interleaved, interleave, primary_groups
from harness.convs.swap import swap
from harness.errors import UserError


def double(conv, **options):
    return Interleaved(**options).replace(conv.double())


def test_the_published_order_of_four_groups_of_three():
    channels = torch.arange(12.0).view(1, 12, 1, 1)
    order = interleave(channels, 4).flatten().int().tolist()
    assert order == [0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11]


@given(groups=st.integers(1, 6), channels=st.integers(1, 6))
def test_the_way_back_undoes_the_permutation(groups, channels):
    x = torch.randn(2, groups * channels, 3, 2)
    assert torch.equal(interleave(interleave(x, groups), channels), x)


@pytest.mark.parametrize("kind", [nn.Conv2d, nn.Conv3d])
@pytest.mark.parametrize(
    ("c_in", "c_out", "options"),
    [
        (8, 8, {}),
        (8, 16, {}),
        (16, 8, {}),
        (12, 12, {"primary": 4}),
        (12, 12, {"primary": 3}),
        (12, 24, {"secondary": 4}),
        (6, 9, {}),
    ],
    ids=str,
)
def test_every_output_channel_sees_every_input_channel(kind, c_in, c_out, options):
    new = double(kind(c_in, c_out, 3, padding=1, bias=False), **options)
    x = torch.zeros(c_in, c_in, *[3] * (2 if kind is nn.Conv2d else 3), dtype=torch.float64)
    x[range(c_in), range(c_in)] = 1  # sample i has channel i alone
    assert (new(x).flatten(2).abs().amax(2) > 1e-9).all()


def test_a_secondary_convolution_that_changes_nothing_leaves_the_primary_one():
    new = double(nn.Conv2d(8, 12, 3, padding=1, bias=False), primary=4)
    nn.init.dirac_(new.secondary.weight, groups=3)
    x = torch.randn(2, 8, 5, 4, dtype=torch.float64)
    torch.testing.assert_close(new(x), new.primary(x), rtol=0, atol=1e-12)


def test_of_one_primary_group_there_is_a_convolution_and_a_scale_of_its_channels():
    new = double(nn.Conv3d(4, 6, 3, stride=2, padding=1), primary=1)
    x = torch.randn(2, 4, 5, 5, 6, dtype=torch.float64)
    scale = new.secondary.weight.view(-1, 1, 1, 1)
    expected = new.primary(x) * scale + new.secondary.bias.view(-1, 1, 1, 1)
    assert new.primary.groups == 1
    torch.testing.assert_close(new(x), expected, rtol=0, atol=1e-12)


def test_of_groups_of_one_channel_it_is_depthwise_then_pointwise():
    new = double(nn.Conv2d(6, 6, 3, padding=1, bias=False), secondary=1)
    x = torch.randn(2, 6, 5, 4, dtype=torch.float64)
    depthwise = F.conv2d(x, new.primary.weight, padding=1, groups=6)
    torch.testing.assert_close(
        new(x), F.conv2d(depthwise, new.secondary.weight), rtol=0, atol=1e-12
    )


@pytest.mark.parametrize("kind", [nn.Conv2d, nn.Conv3d])
@pytest.mark.parametrize(("primary", "secondary"), [(4, 32), (16, 8), (64, 2)])
def test_the_number_of_weights_is_that_of_the_paper(kind, primary, secondary):
    width = primary * secondary
    with torch.device("meta"):
        new = Interleaved(primary=primary).replace(kind(width, width, 3, bias=False))
    weights = sum(p.numel() for p in new.parameters())
    taps = 9 if kind is nn.Conv2d else 27
    assert weights == width**2 * taps // primary + width**2 // secondary
    assert weights == 37_376 or (kind, primary) != (nn.Conv2d, 4)


def test_gradients_are_right():
    torch.manual_seed(0)
    new = double(nn.Conv3d(4, 4, (1, 3, 3), stride=2, padding=1))
    x = torch.randn(1, 4, 2, 3, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(new, (x,))


def test_the_primary_convolution_has_the_geometry_and_the_secondary_the_bias():
    conv = nn.Conv2d(4, 8, 3, stride=2, padding=2, dilation=2, padding_mode="reflect")
    new = Interleaved().replace(conv)
    for name in ("kernel_size", "stride", "padding", "dilation", "padding_mode"):
        assert getattr(new.primary, name) == getattr(conv, name)
    assert (new.secondary.kernel_size, new.secondary.stride) == ((1, 1), (1, 1))
    assert (new.secondary.padding, new.secondary.padding_mode) == ((0, 0), "zeros")
    assert new.primary.bias is None
    assert not new.secondary.bias.any()
    assert (new.primary.groups, new.secondary.groups) == (4, 2)


@pytest.mark.parametrize(
    ("c_in", "c_out", "least", "groups"),
    [(64, 64, 2, 32), (64, 128, 2, 64), (64, 64, 1, 64), (96, 128, 2, 32), (3, 64, 2, 1)],
)
def test_as_many_primary_groups_as_divide_both(c_in, c_out, least, groups):
    assert primary_groups(c_in, c_out, channels=least) == groups


@pytest.mark.parametrize(
    ("options", "conv", "reason"),
    [
        ({}, nn.Conv2d(3, 64, 3), "3 to 64 channels in two or more primary groups"),
        ({"primary": 4}, nn.Conv2d(8, 6, 3), "8 to 6 channels in 4 primary groups"),
        ({}, nn.Conv2d(8, 8, 1), "kernel (1, 1)"),
        ({}, nn.Conv3d(8, 8, 3, groups=2), "groups 2"),
        ({"primary": 1}, nn.Conv2d(3, 64, 3), None),
        ({}, nn.Conv2d(8, 8, 3, padding="same"), None),
    ],
    ids=str,
)
def test_what_it_refuses_and_why(options, conv, reason):
    assert Interleaved(**options).refuses(conv) == reason


def test_the_first_layer_stays_as_it_is():
    network = nn.Sequential(nn.Conv2d(20, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1))
    first = network[0]
    report = swap(network, (20, 8, 8), name="n", operator=("interleaved", {}))
    assert report.reasons == {"0": "interleaved: first layer"}
    assert network[0] is first


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"primary": 0}, "primary: must be at least 1, got 0"),
        ({"secondary": -1}, "secondary: must be at least 1, got -1"),
        ({"primary": 4, "secondary": 2}, "secondary: follows from primary"),
    ],
    ids=str,
)
def test_wrong_options_are_said(options, said):
    with pytest.raises(UserError, match=said):
        Interleaved(**options)
