"""FAST-3D, in turn and in parallel: parameters, what kernels see, where stride and padding go."""

from math import sqrt

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from harness.convs.operators import fast3d_parallel
from harness.convs.operators.fast3d import Fast3d, matched_channels
from harness.convs.operators.fast3d_parallel import Fast3dParallel


def parameters(module):
    """Without batch normalisation."""
    convs = [m for m in module.modules() if isinstance(m, nn.Conv3d)]
    return sum(p.numel() for conv in convs for p in conv.parameters())


def linear(module):
    """The same factors without what stands between them."""
    return nn.Sequential(module.xy, module.xt, module.yt)


def parallel(conv, **options):
    """The parallel form without what stands between its factors."""
    new = Fast3dParallel(**options).replace(conv)
    new.after_xy = nn.Identity()
    return new


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


@pytest.mark.parametrize("operator", [Fast3d, Fast3dParallel])
@pytest.mark.parametrize("width", ["paper", "matched"])
@pytest.mark.parametrize("channels", [1, 8, 16])
def test_as_many_parameters_as_a_cube_of_three(channels, width, operator):
    conv = nn.Conv3d(channels, channels, 3, padding=1, bias=False)
    new = operator(width=width).replace(conv)
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


@pytest.mark.parametrize("join", ["sum", "concat"])
@given(channels=st.tuples(st.integers(2, 64), st.integers(2, 64)), k=st.sampled_from([3, 5]))
def test_the_matched_width_in_parallel_is_the_largest_that_costs_no_more(join, channels, k):
    with torch.device("meta"):
        conv = nn.Conv3d(*channels, k, bias=False)
        new = Fast3dParallel(width="matched", join=join).replace(conv)
    a_channel_more = k**2 * (channels[0] + channels[1] * (2 if join == "sum" else 1))
    assert parameters(new) <= parameters(conv) < parameters(new) + a_channel_more


def test_widths_in_parallel():
    assert fast3d_parallel.matched_channels(64, 128, k=3, branches=2) == 76
    assert fast3d_parallel.matched_channels(64, 64, k=3, branches=1) == 96
    conv = nn.Conv3d(64, 128, 3, bias=False)
    assert parameters(Fast3dParallel().replace(conv)) == 9 * 64 * 128 + 2 * 9 * 128**2


def test_in_parallel_they_see_three_frames_of_a_plus():
    new = positive(parallel(nn.Conv3d(1, 1, 3, padding=1, bias=False)))
    response = new(impulse())[0, 0]
    assert support(response[None, None]) == (3, 5, 5)
    plus = torch.ones(5, 5, dtype=torch.bool)
    for row in (0, -1):
        plus[row, [0, -1]] = False  # the corners
    for t in (3, 4, 5):
        assert torch.equal(response[t, 2:7, 2:7] != 0, plus)


def test_in_parallel_deltas_halved_by_the_sum_leave_the_first_step():
    new = parallel(nn.Conv3d(2, 4, 3, padding=1, bias=False, dtype=torch.float64))
    for part in (new.xt, new.yt):
        nn.init.dirac_(part.weight)
        part.weight.data /= 2
    x = torch.randn(2, 2, 4, 6, 5, dtype=torch.float64)
    torch.testing.assert_close(new(x), new.xy(x), rtol=0, atol=1e-12)
    assert new.xy.kernel_size == (1, 3, 3)


@pytest.mark.parametrize("c_out", [2, 5])
def test_side_by_side_each_gives_half(c_out):
    conv = nn.Conv3d(3, c_out, 3, stride=2, padding=1, dtype=torch.float64)
    new = parallel(conv, join="concat")
    half = c_out - c_out // 2
    x = torch.randn(2, 3, 5, 6, 7, dtype=torch.float64)
    y = new(x)
    assert y.shape == conv(x).shape
    torch.testing.assert_close(y[:, :half], new.xt(new.xy(x)))
    torch.testing.assert_close(y[:, half:], new.yt(new.xy(x)))
    assert Fast3dParallel(join="concat").refuses(nn.Conv3d(3, 1, 3)) == "1 channel"
    assert Fast3dParallel().refuses(nn.Conv3d(3, 1, 3)) is None


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


@pytest.mark.parametrize("operator", [Fast3d, Fast3dParallel])
def test_gradients_are_right(operator):
    torch.manual_seed(0)
    new = operator().replace(nn.Conv3d(1, 2, 3, stride=(1, 2, 2), padding=1, dtype=torch.float64))
    x = torch.randn(2, 1, 3, 4, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(new.eval(), (x,))


@pytest.mark.parametrize(
    ("operator", "stride", "padding"),
    [(Fast3d, (1, 1, 1), (1, 1, 0)), (Fast3dParallel, (2, 1, 1), (0, 1, 0))],
)
def test_stride_and_padding_are_taken_over_once(operator, stride, padding):
    """In parallel both branches take those in time, of a map that has not been through any."""
    conv = nn.Conv3d(2, 4, 3, stride=(2, 3, 3), padding=(0, 1, 0), bias=True)
    new = operator().replace(conv)
    assert [new.xy.stride, new.xt.stride, new.yt.stride] == [(1, 3, 3), (2, 1, 1), stride]
    assert [new.xy.padding, new.xt.padding, new.yt.padding] == [(0, 1, 0), (0, 0, 1), padding]
    assert [part.bias is None for part in (new.xy, new.xt, new.yt)] == [True, True, False]
    x = torch.randn(2, 2, 7, 9, 10)
    assert new(x).shape == conv(x).shape


@pytest.mark.parametrize("operator", [Fast3d, Fast3dParallel])
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
def test_what_it_refuses_and_why(conv, reason, operator):
    assert operator().refuses(conv) == reason
