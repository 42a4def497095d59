"""Winograd: the matrices in exact fractions, the convolution in double precision, the accuracy."""

from fractions import Fraction

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from harness.convs.algorithms.tiling import axes_of
from harness.convs.algorithms.winograd import BLOCK, Winograd, WinogradConv2d, WinogradConv3d
from harness.convs.cook_toom import cook_toom


def exact(text):
    return [[Fraction(value) for value in row.split()] for row in text.split(";")]


PUBLISHED = {
    (2, 3): (
        "1 1 1 0; 0 1 -1 1",
        "1 0 0; 1/2 1/2 1/2; 1/2 -1/2 1/2; 0 0 1",
        "1 0 -1 0; 0 1 1 0; 0 -1 1 0; 0 -1 0 1",
    ),
    (4, 3): (
        "1 1 1 1 1 0; 0 1 -1 2 -2 0; 0 1 1 4 4 0; 0 1 -1 8 -8 1",
        "1/4 0 0; -1/6 -1/6 -1/6; -1/6 1/6 -1/6; 1/24 1/12 1/6; 1/24 -1/12 1/6; 0 0 1",
        "4 0 -5 0 1 0; 0 -4 -4 1 1 0; 0 4 -4 -1 1 0; 0 -2 -1 2 1 0; 0 2 -1 -2 1 0; 0 4 0 -5 0 1",
    ),
    (6, 3): (
        "1 1 1 1 1 1 1 0; 0 1 -1 2 -2 1/2 -1/2 0; 0 1 1 4 4 1/4 1/4 0; 0 1 -1 8 -8 1/8 -1/8 0;"
        "0 1 1 16 16 1/16 1/16 0; 0 1 -1 32 -32 1/32 -1/32 1",
        "1 0 0; -2/9 -2/9 -2/9; -2/9 2/9 -2/9; 1/90 1/45 2/45; 1/90 -1/45 2/45; 32/45 16/45 8/45;"
        "32/45 -16/45 8/45; 0 0 1",
        "1 0 -21/4 0 21/4 0 -1 0; 0 1 1 -17/4 -17/4 1 1 0; 0 -1 1 17/4 -17/4 -1 1 0;"
        "0 1/2 1/4 -5/2 -5/4 2 1 0; 0 -1/2 1/4 5/2 -5/4 -2 1 0; 0 2 4 -5/2 -5 1/2 1 0;"
        "0 -2 4 5/2 -5 -1/2 1 0; 0 -1 0 21/4 0 -21/4 0 1",
    ),
    (3, 2): (
        "1 1 1 0; 0 1 -1 0; 0 1 1 1",
        "1 0; 1/2 1/2; 1/2 -1/2; 0 1",
        "1 0 -1 0; 0 1 1 0; 0 -1 1 0; 0 -1 0 1",
    ),
}


@pytest.mark.parametrize("m_r", PUBLISHED, ids=str)
def test_the_matrices_are_the_published_ones(m_r):
    inverse, kernel, data = cook_toom(*m_r)
    assert (inverse, kernel, data) == tuple(map(exact, PUBLISHED[m_r]))


@given(data=st.data())
def test_a_tile_is_a_correlation_exactly(data):
    m = data.draw(st.integers(1, 6))
    r = data.draw(st.integers(1, 8 - m + 1))
    values = st.lists(st.integers(-9, 9), min_size=m + r - 1, max_size=m + r - 1)
    signal, taps = data.draw(values), data.draw(values)[:r]
    inverse, kernel, transform = cook_toom(m, r)

    def times(matrix, vector):
        return [sum(a * b for a, b in zip(row, vector, strict=True)) for row in matrix]

    products = [u * v for u, v in zip(times(kernel, taps), times(transform, signal), strict=True)]
    expected = [sum(taps[j] * signal[i + j] for j in range(r)) for i in range(m)]
    assert times(inverse, products) == expected


def test_too_large_a_tile_is_refused():
    with pytest.raises(ValueError, match=r"^F\(6, 5\) needs 9 points, got 7$"):
        cook_toom(6, 5)


@st.composite
def accepted(draw):
    """A convolution within Winograd's reach in double precision, and an input of odd sizes too."""
    dimensions = draw(st.sampled_from([2, 3]))
    kernel = [draw(st.integers(1, 5)) for _ in range(dimensions)]
    kernel[draw(st.integers(0, dimensions - 1))] = draw(st.integers(2, 5))
    odd = all(k % 2 for k in kernel)  # torch warns of a copy for an even kernel and "same"
    numbers = st.just([draw(st.integers(0, 4)) for _ in kernel])
    conv = [nn.Conv2d, nn.Conv3d][dimensions - 2](
        draw(st.integers(1, 4)),
        draw(st.integers(1, 4)),
        kernel,
        padding=draw(st.one_of(numbers, st.sampled_from(["same", "valid"] if odd else ["valid"]))),
        bias=draw(st.booleans()),
        dtype=torch.float64,
    )
    ends = [0] * dimensions if isinstance(conv.padding, str) else conv.padding
    smallest = [max(1, k - 2 * p) for k, p in zip(kernel, ends, strict=True)]
    size = [length + draw(st.integers(0, 7)) for length in smallest]
    x = torch.randn(draw(st.integers(1, 3)), conv.in_channels, *size, dtype=torch.float64)
    return conv, x.requires_grad_()


@pytest.mark.parametrize("tile", [2, 4])
@given(case=accepted())
def test_equals_torch_in_double_precision_with_all_gradients(tile, case):
    conv, x = case
    method = Winograd(tile=tile)
    assert method.refuses(conv) is None
    ours, theirs = method.replace(conv)(x), conv(x)
    # Kernels of 5 sum 125 products of transforms with entries to 32: a few more digits are lost.
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-11)
    inputs, weights = [x, *conv.parameters()], torch.randn_like(theirs)
    torch.testing.assert_close(
        torch.autograd.grad(ours, inputs, weights),
        torch.autograd.grad(theirs, inputs, weights),
        rtol=1e-11,
        atol=1e-11,
    )


@pytest.mark.parametrize("tile", [2, 4])
def test_an_even_kernel_with_same_padding_is_padded_as_torch_pads_it(tile):
    conv = nn.Conv2d(2, 3, (2, 4), padding="same", dtype=torch.float64)
    x = torch.randn(2, 2, 5, 7, dtype=torch.float64)
    longer = nn.functional.pad(x, (1, 2, 0, 1))  # one more at the end, as torch documents
    theirs = nn.functional.conv2d(longer, conv.weight, conv.bias)
    torch.testing.assert_close(Winograd(tile=tile).replace(conv)(x), theirs, rtol=0, atol=1e-12)


def test_many_samples_are_computed_in_blocks_of_a_few():
    conv = nn.Conv2d(1, 64, 3, padding=1, bias=False, dtype=torch.float64)
    samples = 2 * BLOCK // (16 * 64 * 8 * 8) + 1
    x = torch.randn(samples, 1, 16, 16, dtype=torch.float64)
    torch.testing.assert_close(Winograd().replace(conv)(x), conv(x), rtol=0, atol=1e-12)


def test_an_empty_batch_gives_an_empty_batch():
    conv = Winograd().replace(nn.Conv3d(2, 3, 3, padding=1))
    assert conv(torch.empty(0, 2, 4, 5, 6)).shape == (0, 3, 4, 5, 6)


def test_an_input_smaller_than_the_kernel_is_an_error():
    conv = Winograd().replace(nn.Conv2d(2, 3, 3))
    with pytest.raises(ValueError, match=r"kernel \(3, 3\) is larger than the padded \(2, 5\)"):
        conv(torch.zeros(1, 2, 2, 5))


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"kernel_size": 3, "stride": 2}, "stride (2, 2)"),
        ({"kernel_size": 3, "dilation": 2}, "dilation (2, 2)"),
        ({"kernel_size": 3, "groups": 2}, "groups 2"),
        ({"kernel_size": 3, "padding": 1, "padding_mode": "reflect"}, "padding mode 'reflect'"),
        ({"kernel_size": 1}, "kernel (1, 1)"),
        ({"kernel_size": 7}, "kernel (7, 7)"),
        ({"kernel_size": (3, 7)}, "kernel (3, 7)"),
    ],
    ids=str,
)
def test_refuses_what_it_would_get_wrong(options, reason):
    assert Winograd().refuses(nn.Conv2d(4, 4, **options)) == reason


@pytest.mark.parametrize("tile", [2, 4])
def test_tiles_are_two_frames_long(tile, monkeypatch):
    asked = []

    def spy(conv, size, tile):
        asked.append(tile)
        return axes_of(conv, size, tile)

    monkeypatch.setattr("harness.convs.algorithms.winograd.axes_of", spy)
    Winograd(tile=tile).replace(nn.Conv3d(1, 1, 3))(torch.zeros(1, 1, 5, 9, 9))
    Winograd(tile=tile).replace(nn.Conv2d(1, 1, 3))(torch.zeros(1, 1, 9, 9))
    assert asked == [(2, tile, tile), (tile, tile)]


def test_an_axis_without_a_kernel_is_not_transformed():
    frames, height, width = axes_of(nn.Conv3d(1, 1, (1, 3, 3)), (5, 6, 6), (2, 4, 4))
    assert (frames.m, frames.n, frames.tiles) == (1, 1, 5)
    assert (height.m, height.n, height.tiles) == (width.m, width.n, width.tiles) == (4, 6, 1)


@pytest.mark.parametrize("kind", [WinogradConv2d, WinogradConv3d], ids=lambda kind: kind.__name__)
def test_shares_the_very_parameters(kind):
    conv = (nn.Conv2d if kind is WinogradConv2d else nn.Conv3d)(2, 3, 3).eval()
    new = Winograd().replace(conv)
    assert type(new) is kind
    assert new.weight is conv.weight
    assert new.bias is conv.bias
    assert not new.training


# Largest error at inputs and weights of order one: papers measure 4e-6 and 3e-5 in 2-D.
@pytest.mark.parametrize(
    ("dimensions", "tile", "bound"), [(2, 2, 1e-4), (2, 4, 1e-3), (3, 2, 1e-3), (3, 4, 1e-2)]
)
def test_is_accurate_in_single_precision(dimensions, tile, bound):
    torch.manual_seed(0)
    kind, size = (nn.Conv2d, (14, 14)) if dimensions == 2 else (nn.Conv3d, (4, 10, 10))
    conv = kind(64, 8, 3, padding=1, bias=False)
    nn.init.uniform_(conv.weight, -1, 1)
    x = torch.empty(1, 64, *size).uniform_(-1, 1)
    ours = Winograd(tile=tile).replace(conv)(x).double()
    error = (ours - conv.double()(x.double())).abs().max()
    assert 0 < error < bound


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_transforms_never_run_in_half_precision(dtype):
    torch.manual_seed(0)
    conv = nn.Conv2d(64, 8, 3, padding=1)
    new, x = Winograd(tile=4).replace(conv), torch.randn(2, 64, 12, 12)
    with torch.autocast("cpu", dtype=dtype):
        under = new(x)
    assert under.dtype == torch.float32
    torch.testing.assert_close(under, new(x), rtol=0, atol=0)

    halved = x.to(dtype)
    with torch.autocast("cpu", dtype=dtype):
        rounded = new(halved)
    assert rounded.dtype == dtype
    torch.testing.assert_close(rounded, new(halved.float()).to(dtype), rtol=0, atol=0)


def test_gradients_flow_under_autocast():
    conv = Winograd().replace(nn.Conv2d(2, 3, 3, padding=1))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = conv(torch.randn(2, 2, 6, 6)).square().sum()
    loss.backward()
    assert conv.weight.grad.dtype == torch.float32


def test_runs_on_shapes_alone():
    with torch.device("meta"):
        conv = Winograd().replace(nn.Conv3d(3, 4, 3, padding=1))
        assert conv(torch.empty(2, 3, 4, 7, 7)).shape == (2, 4, 4, 7, 7)
