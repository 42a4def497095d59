"""Convolution by the Fourier transform, in double precision, and where it may not round."""

import pytest
import torch
from alike import never_in_half_precision, same_with_gradients
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from harness.convs.algorithms.fft import Fft


@st.composite
def cases(draw):
    """A convolution with a kernel of any size, up to that of its input, in double precision."""
    dimensions = draw(st.sampled_from([2, 3]))
    size = [draw(st.integers(1, 12 if dimensions == 2 else 7)) for _ in range(dimensions)]
    conv = [nn.Conv2d, nn.Conv3d][dimensions - 2](
        draw(st.integers(1, 3)),
        draw(st.integers(1, 3)),
        [draw(st.integers(1, length)) for length in size],
        stride=[draw(st.integers(1, 3)) for _ in range(dimensions)],
        padding=draw(
            st.sampled_from(["valid", [draw(st.integers(0, 3)) for _ in range(dimensions)]])
        ),
        bias=draw(st.booleans()),
        dtype=torch.float64,
    )
    x = torch.randn(draw(st.integers(1, 3)), conv.in_channels, *size, dtype=torch.float64)
    if draw(st.booleans()):
        x = x.movedim(1, -1).contiguous().movedim(-1, 1)
    return conv, x.requires_grad_()


@given(case=cases())
def test_equals_torch_with_all_gradients(case):
    conv, x = case
    assert Fft().refuses(conv) is None
    same_with_gradients(Fft().replace(conv)(x), conv(x), [x, *conv.parameters()], 1e-10)


def test_an_impulse_shows_the_kernel_turned_round():
    conv = nn.Conv2d(1, 1, (3, 5), padding="same", bias=False, dtype=torch.float64)
    x = torch.zeros(1, 1, 3, 5, dtype=torch.float64)
    x[0, 0, 1, 2] = 1
    seen = Fft().replace(conv)(x)[0, 0]
    torch.testing.assert_close(seen, conv.weight[0, 0].flip(0, 1), rtol=0, atol=1e-14)


def test_same_padding_of_an_even_kernel():
    conv = nn.Conv2d(2, 3, (2, 4), padding="same")
    x = torch.randn(2, 2, 5, 7)
    longer = nn.functional.pad(x, (1, 2, 0, 1))
    theirs = nn.functional.conv2d(longer, conv.weight, conv.bias)
    torch.testing.assert_close(Fft().replace(conv)(x), theirs, rtol=0, atol=1e-6)


def test_an_empty_batch_gives_an_empty_batch_and_zero_gradients():
    conv = Fft().replace(nn.Conv3d(2, 3, 3, padding=1))
    x = torch.empty(0, 2, 4, 5, 6, requires_grad=True)
    y = conv(x)
    assert y.shape == (0, 3, 4, 5, 6)
    y.sum().backward()
    assert not conv.weight.grad.any()
    assert x.grad.shape == x.shape


def test_an_input_smaller_than_the_kernel_is_an_error():
    with pytest.raises(ValueError, match=r"kernel \(3, 3\) is larger than the padded \(2, 5\)"):
        Fft().replace(nn.Conv2d(2, 3, 3))(torch.zeros(1, 2, 2, 5))


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"dilation": 2}, "dilation (2, 2)"),
        ({"groups": 2}, "groups 2"),
        ({"padding": 1, "padding_mode": "reflect"}, "padding mode 'reflect'"),
    ],
    ids=str,
)
def test_refuses_what_it_would_get_wrong(options, reason):
    assert Fft().refuses(nn.Conv2d(4, 4, 3, **options)) == reason


def test_is_accurate_in_single_precision():
    torch.manual_seed(0)
    conv = nn.Conv2d(64, 8, 7, padding=3, bias=False)
    nn.init.uniform_(conv.weight, -1, 1)
    x = torch.empty(1, 64, 14, 14).uniform_(-1, 1)
    ours = Fft().replace(conv)(x).double()
    error = (ours - conv.double()(x.double())).abs().max()
    assert 0 < error < 1e-4


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_transforms_never_run_in_half_precision(dtype):
    new = Fft().replace(nn.Conv2d(64, 8, 3, padding=1))
    never_in_half_precision(new, torch.randn(2, 64, 6, 6), dtype)


def test_runs_on_shapes_alone():
    with torch.device("meta"):
        conv = Fft().replace(nn.Conv3d(3, 4, 3, padding=1, stride=2))
        assert conv(torch.empty(2, 3, 4, 7, 7)).shape == (2, 4, 2, 4, 4)
