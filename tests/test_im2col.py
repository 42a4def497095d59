"""im2col: the columns themselves, groups, dilation, and a few samples at a time."""

import pytest
import torch
from alike import never_in_half_precision, same_with_gradients
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from harness.convs.algorithms import im2col
from harness.convs.algorithms.im2col import Im2col, _columns


@st.composite
def cases(draw):
    """A convolution in double precision, and an input, also with its channels last in memory."""
    dimensions = draw(st.sampled_from([2, 3]))

    def ints(low, high):
        return [draw(st.integers(low, high)) for _ in range(dimensions)]

    groups = draw(st.integers(1, 3))
    conv = [nn.Conv2d, nn.Conv3d][dimensions - 2](
        groups * draw(st.integers(1, 3)),
        groups * draw(st.integers(1, 3)),
        ints(1, 3),
        stride=ints(1, 3),
        padding=draw(st.sampled_from([ints(0, 3), "valid"])),
        dilation=ints(1, 2),
        groups=groups,
        bias=draw(st.booleans()),
        dtype=torch.float64,
    )
    reach = [d * (k - 1) + 1 for d, k in zip(conv.dilation, conv.kernel_size, strict=True)]
    size = [r + draw(st.integers(0, 5)) for r in reach]
    x = torch.randn(draw(st.integers(0, 3)), conv.in_channels, *size, dtype=torch.float64)
    if draw(st.booleans()):
        x = x.movedim(1, -1).contiguous().movedim(-1, 1)
    return conv, x.requires_grad_()


@given(case=cases())
def test_equals_torch_with_all_gradients(case):
    conv, x = case
    assert Im2col().refuses(conv) is None
    same_with_gradients(Im2col().replace(conv)(x), conv(x), [x, *conv.parameters()], 1e-11)


def test_a_column_is_a_window():
    x = torch.arange(12.0).reshape(1, 1, 3, 4)
    columns = _columns(x, nn.Conv2d(1, 1, 2, stride=(1, 2)))
    assert columns.shape == (1, 1, 1, 4, 4)
    assert columns[0, 0, 0].T.tolist() == [[0, 1, 4, 5], [2, 3, 6, 7], [4, 5, 8, 9], [6, 7, 10, 11]]


def test_a_clips_column_holds_channels_then_frames_then_places():
    x = torch.randn(1, 2, 4, 3, 3)
    columns = _columns(x, nn.Conv3d(2, 2, 3, groups=2))
    assert columns.shape == (1, 2, 2, 27, 1)
    torch.testing.assert_close(columns[0, 1, 1, :, 0], x[0, 1, 1:4].flatten(), rtol=0, atol=0)


def test_a_few_samples_are_unfolded_at_a_time(monkeypatch):
    asked = []
    unfold = im2col._columns

    def spy(x, conv):
        asked.append(len(x))
        return unfold(x, conv)

    conv = nn.Conv2d(3, 4, 3, dtype=torch.float64)
    monkeypatch.setattr(im2col, "BLOCK", 2 * 27 * 9)
    monkeypatch.setattr(im2col, "_columns", spy)
    x = torch.randn(5, 3, 5, 5, dtype=torch.float64)
    torch.testing.assert_close(Im2col().replace(conv)(x), conv(x), rtol=0, atol=1e-12)
    assert asked == [2, 2, 1]


def test_same_padding_of_an_even_kernel():
    conv = nn.Conv2d(2, 3, (2, 4), padding="same", dilation=(3, 1))
    x = torch.randn(2, 2, 5, 7)
    longer = nn.functional.pad(x, (1, 2, 1, 2))
    theirs = nn.functional.conv2d(longer, conv.weight, conv.bias, dilation=(3, 1))
    torch.testing.assert_close(Im2col().replace(conv)(x), theirs, rtol=0, atol=1e-6)


@pytest.mark.parametrize("kind", [nn.Conv2d, nn.Conv3d], ids=lambda kind: kind.__name__)
def test_an_input_without_a_batch(kind):
    conv = kind(2, 3, 3, padding=1)
    x = torch.randn(2, *[5] * (conv.weight.dim() - 2))
    torch.testing.assert_close(Im2col().replace(conv)(x), conv(x), rtol=0, atol=1e-6)


def test_refuses_another_padding():
    conv = nn.Conv2d(4, 4, 3, padding=1, padding_mode="circular")
    assert Im2col().refuses(conv) == "padding mode 'circular'"


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_products_are_never_in_half_precision(dtype):
    new = Im2col().replace(nn.Conv2d(64, 8, 3, padding=1))
    never_in_half_precision(new, torch.randn(2, 64, 6, 6), dtype)


def test_runs_on_shapes_alone():
    with torch.device("meta"):
        conv = Im2col().replace(nn.Conv3d(4, 4, 3, padding=1, stride=2, groups=2))
        assert conv(torch.empty(2, 4, 4, 7, 7)).shape == (2, 4, 2, 4, 4)
