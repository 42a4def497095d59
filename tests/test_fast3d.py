"""FAST-3D: parameters, what each kernel sees, and where stride and padding go."""

from math import sqrt

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from harness.convs.operators.fast3d import Fast3d, matched_channels


def parameters(module):
    """Without batch normalisation."""
    convs = [m for m in module.modules() if isinstance(m, nn.Conv3d)]
    return sum(p.numel() for conv in convs for p in conv.parameters())


def linear(module):
    """The same factors without what stands between them."""
    return nn.Sequential(module.xy, module.xt, module.yt)


def support(response):
    """How far along frames, height and width a response is not zero."""
    places = response[0].sum(0).nonzero()
    return tuple((places.amax(0) - places.amin(0) + 1).tolist())


def impulse(size=9):
    x = torch.zeros(1, 1, size, size, size)
    x[..., size // 2, size // 2, size // 2] = 1
    return x


def positive(module):
    for parameter in module.parameters():
        nn.init.ones_(parameter)
    return module


@pytest.mark.parametrize("width", ["paper", "matched"])
@pytest.mark.parametrize("channels", [1, 8, 16])
def test_as_many_parameters_as_a_cube_of_three(channels, width):
    conv = nn.Conv3d(channels, channels, 3, padding=1, bias=False)
    new = Fast3d(width=width).replace(conv)
    assert parameters(new) == parameters(conv) == 27 * channels**2


def test_a_wider_output_costs_more_unless_matched():
    conv = nn.Conv3d(64, 128, 3, padding=1, bias=False)
    assert parameters(Fast3d().replace(conv)) == 368_640
    assert parameters(conv) == 221_184
    assert 0.97 < parameters(Fast3d(width="matched").replace(conv)) / parameters(conv) <= 1


@pytest.mark.parametrize(
    ("channels", "width"), [((64, 128), 87), ((128, 256), 175), ((256, 512), 351), ((96, 96), 96)]
)
def test_the_matched_width_of_papers(channels, width):
    assert matched_channels(*channels, k=3) == width


@given(channels=st.tuples(st.integers(1, 999), st.integers(1, 999)), k=st.sampled_from([3, 5, 7]))
def test_the_matched_width_is_the_root_rounded_down(channels, k):
    c_in, c_out = channels
    ends = c_in + c_out
    root = (-ends + sqrt(ends**2 + 4 * k * c_in * c_out)) / 2
    m = matched_channels(c_in, c_out, k=k)
    assert m == max(1, int(root + 1e-9))


def test_the_three_steps_see_five_positions_a_side():
    new = positive(linear(Fast3d().replace(nn.Conv3d(1, 1, 3, padding=1, bias=False))))
    assert support(new(impulse())) == (5, 5, 5)


@pytest.mark.parametrize(
    ("step", "seen"), [("xy", (1, 3, 3)), ("xt", (3, 1, 3)), ("yt", (3, 3, 1))]
)
def test_each_step_spreads_in_its_plane_only(step, seen):
    new = Fast3d().replace(nn.Conv3d(1, 1, 3, padding=1, bias=False))
    assert support(positive(getattr(new, step))(impulse())) == seen


def test_with_centred_deltas_it_is_its_first_step():
    new = Fast3d().replace(nn.Conv3d(2, 4, 3, padding=1, bias=False, dtype=torch.float64))
    nn.init.dirac_(new.xt.weight)
    nn.init.dirac_(new.yt.weight)
    plane = nn.Conv3d(2, 4, (1, 3, 3), padding=(0, 1, 1), bias=False, dtype=torch.float64)
    plane.weight = new.xy.weight
    x = torch.randn(2, 2, 4, 6, 5, dtype=torch.float64)
    torch.testing.assert_close(linear(new)(x), plane(x), rtol=0, atol=1e-12)


def test_gradients_are_right():
    torch.manual_seed(0)
    new = Fast3d().replace(nn.Conv3d(1, 2, 3, stride=(1, 2, 2), padding=1, dtype=torch.float64))
    x = torch.randn(2, 1, 3, 4, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(new.eval(), (x,))


def test_stride_and_padding_are_taken_over_once():
    conv = nn.Conv3d(2, 4, 3, stride=(2, 3, 3), padding=(0, 1, 0), bias=True)
    new = Fast3d().replace(conv)
    assert [new.xy.stride, new.xt.stride, new.yt.stride] == [(1, 3, 3), (2, 1, 1), (1, 1, 1)]
    assert [new.xy.padding, new.xt.padding, new.yt.padding] == [(0, 1, 0), (0, 0, 1), (1, 1, 0)]
    assert [part.bias is None for part in (new.xy, new.xt, new.yt)] == [True, True, False]
    x = torch.randn(2, 2, 7, 9, 10)
    assert new(x).shape == conv(x).shape


@pytest.mark.parametrize(
    ("conv", "reason"),
    [
        (nn.Conv2d(2, 2, 3), "2-D convolution"),
        (nn.Conv3d(2, 2, (3, 3, 5)), "kernel (3, 3, 5)"),
        (nn.Conv3d(2, 2, 1), "kernel (1, 1, 1)"),
        (nn.Conv3d(2, 2, 4), "kernel (4, 4, 4)"),
        (nn.Conv3d(2, 2, 3, groups=2), "groups 2"),
        (nn.Conv3d(2, 2, 3, dilation=2), "dilation (2, 2, 2)"),
        (nn.Conv3d(2, 2, 5, padding=2), None),
    ],
    ids=str,
)
def test_what_it_refuses_and_why(conv, reason):
    assert Fast3d().refuses(conv) == reason
