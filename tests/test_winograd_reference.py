"""The reference in plain PyTorch: it equals PyTorch's convolution in double precision."""

import pytest
import torch
from alike import same_with_gradients
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from harness.convs.algorithms.reference import BLOCK, convolve
from harness.convs.algorithms.tiling import axes_of
from harness.convs.algorithms.winograd import Winograd


@st.composite
def cases(draw):
    """A convolution in double precision, a tile for each axis, and an input of odd sizes too."""
    dimensions = draw(st.sampled_from([2, 3]))
    kernel = [draw(st.integers(1, 5)) for _ in range(dimensions)]
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
    tile = [draw(st.sampled_from([1, 2, 4])) for _ in kernel]
    return conv, x.requires_grad_(), tile


@given(case=cases())
def test_equals_torch_in_double_precision_with_all_gradients(case):
    conv, x, tile = case
    # Kernels of 5 sum 125 products of transforms with entries to 32: a few more digits are lost.
    same_with_gradients(convolve(x, conv, tile), conv(x), [x, *conv.parameters()], 1e-10)


@pytest.mark.parametrize(
    "tile", ["auto", 2, 4, [2, 4, 4], [4, 2, 4], [1, 4, 4], [2, 2, 1]], ids=str
)
@pytest.mark.parametrize("frames", [1, 2, 5])
def test_is_what_double_precision_runs(tile, frames):
    conv = nn.Conv3d(3, 4, 3, padding=1, dtype=torch.float64)
    x = torch.randn(2, 3, frames, 6, 7, dtype=torch.float64)
    new = Winograd(tile=tile).replace(conv)
    torch.testing.assert_close(new(x), conv(x), rtol=0, atol=1e-12)
    torch.testing.assert_close(new(x[0]), conv(x[0]), rtol=0, atol=1e-12)
    new.relu = True
    shortcut = torch.randn_like(conv(x))
    torch.testing.assert_close(new(x, shortcut), (conv(x) + shortcut).relu(), rtol=0, atol=1e-12)


def test_gradients_of_gradients_are_exact():
    new = Winograd(tile=4).replace(nn.Conv2d(2, 2, 3, padding=1, dtype=torch.float64))
    x = torch.randn(1, 2, 4, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(new, (x,))


@pytest.mark.parametrize("tile", [2, 4])
def test_an_even_kernel_with_same_padding_is_padded_as_torch_pads_it(tile):
    conv = nn.Conv2d(2, 3, (2, 4), padding="same", dtype=torch.float64)
    x = torch.randn(2, 2, 5, 7, dtype=torch.float64)
    longer = nn.functional.pad(x, (1, 2, 0, 1))  # one more at the end, as torch documents
    theirs = nn.functional.conv2d(longer, conv.weight, conv.bias)
    torch.testing.assert_close(convolve(x, conv, [tile, tile]), theirs, rtol=0, atol=1e-12)


def test_many_samples_are_computed_in_blocks_of_a_few():
    conv = nn.Conv2d(1, 64, 3, padding=1, bias=False, dtype=torch.float64)
    samples = 2 * BLOCK // (16 * 64 * 8 * 8) + 1
    x = torch.randn(samples, 1, 16, 16, dtype=torch.float64)
    torch.testing.assert_close(convolve(x, conv, [2, 2]), conv(x), rtol=0, atol=1e-12)


def test_an_axis_without_a_kernel_is_not_transformed():
    frames, height, width = axes_of(nn.Conv3d(1, 1, (1, 3, 3)), (5, 6, 6), (2, 4, 4))
    assert (frames.m, frames.n, frames.tiles) == (1, 1, 5)
    assert (height.m, height.n, height.tiles) == (width.m, width.n, width.tiles) == (4, 6, 1)


def test_an_axis_summed_directly_has_a_tile_for_each_output():
    frames, height, _ = axes_of(nn.Conv3d(1, 1, 3, padding=1), (5, 6, 6), (1, 4, 4))
    assert (frames.m, frames.n, frames.tiles) == (1, 3, 5)
    assert (height.m, height.n, height.tiles) == (4, 6, 2)


def test_an_input_smaller_than_the_kernel_is_an_error():
    conv = nn.Conv2d(2, 3, 3, dtype=torch.float64)
    with pytest.raises(ValueError, match=r"kernel \(3, 3\) is larger than the padded \(2, 5\)"):
        convolve(torch.zeros(1, 2, 2, 5, dtype=torch.float64), conv, [2, 2])


def test_runs_on_shapes_alone():
    with torch.device("meta"):
        conv = Winograd().replace(nn.Conv3d(3, 4, 3, padding=1))
        assert conv(torch.empty(2, 3, 4, 7, 7)).shape == (2, 4, 4, 7, 7)
