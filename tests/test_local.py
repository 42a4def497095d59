"""Locally connected layers: the receptive fields of a convolution, weights of their own."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from harness.convs.operators.local import Local, LocallyConnected
from harness.convs.swap import swap
from harness.errors import UserError


@st.composite
def conv_and_input(draw):
    """A convolution of any geometry, in double precision, and a batch that it accepts."""
    dimensions = draw(st.sampled_from([2, 3]))

    def per_axis(low, high):
        return [draw(st.integers(low, high)) for _ in range(dimensions)]

    kernel, dilation = per_axis(1, 3), per_axis(1, 2)
    mode = draw(st.sampled_from(["zeros", "replicate", "circular", "reflect"]))
    conv = [nn.Conv2d, nn.Conv3d][dimensions - 2](
        draw(st.integers(1, 3)),
        draw(st.integers(1, 3)),
        kernel,
        stride=per_axis(1, 2),
        padding=per_axis(0, 1),
        dilation=dilation,
        bias=draw(st.booleans()),
        padding_mode=mode,
        dtype=torch.float64,
    )
    reach = [d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True)]
    size = [max(2, r) + extra for r, extra in zip(reach, per_axis(0, 4), strict=True)]
    return conv, torch.randn(2, conv.in_channels, *size, dtype=torch.float64)


def shared(conv, size):
    """A local layer whose kernels are all that of the convolution."""
    new = LocallyConnected(conv, tuple(size))
    with torch.no_grad():
        new.weight.copy_(conv.weight.flatten(1).T)
        if conv.bias is not None:
            new.bias.copy_(conv.bias)
    return new


@given(case=conv_and_input())
def test_with_the_same_weights_everywhere_it_is_the_convolution(case):
    conv, x = case
    new = shared(conv, x.shape[2:])
    torch.testing.assert_close(new(x), conv(x), rtol=0, atol=1e-12)


def test_the_kernel_of_a_position_is_its_own():
    conv = nn.Conv3d(2, 3, 3, stride=2, padding=1, dtype=torch.float64)
    x = torch.randn(2, 2, 4, 6, 5, dtype=torch.float64)
    new = shared(conv, x.shape[2:])
    other = nn.Conv3d(2, 3, 3, stride=2, padding=1, dtype=torch.float64)
    t, y, z = 1, 2, 1
    with torch.no_grad():
        position = (t * 3 + y) * 3 + z
        new.weight[position] = other.weight.flatten(1).T
        new.bias[position] = other.bias
    expected = conv(x)
    expected[:, :, t, y, z] = other(x)[:, :, t, y, z]
    torch.testing.assert_close(new(x), expected, rtol=0, atol=1e-12)


def test_it_sees_what_the_convolution_sees():
    conv = nn.Conv2d(1, 1, 3, padding=2, dilation=2, bias=False, dtype=torch.float64)
    nn.init.ones_(conv.weight)
    x = torch.zeros(1, 1, 7, 7, dtype=torch.float64)
    x[..., 3, 3] = 1
    response = LocallyConnected(conv, (7, 7))(x)
    assert torch.equal(response != 0, conv(x) != 0)
    assert response[response != 0].unique().numel() == 9  # no two are the same


def test_gradients_are_right():
    torch.manual_seed(0)
    new = LocallyConnected(nn.Conv2d(2, 2, 3, stride=2, padding=1).double(), (4, 3))
    x = torch.randn(2, 2, 4, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x, *_: new(x), (x, new.weight, new.bias))


def test_it_starts_as_a_convolution_by_he_does():
    new = LocallyConnected(nn.Conv2d(16, 16, 3), (10, 10))
    assert new.weight.std().item() == pytest.approx((2 / (16 * 9)) ** 0.5, rel=0.01)
    assert not new.bias.any()


def network():
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1, bias=False),
        nn.MaxPool2d(2),
        nn.Conv2d(4, 4, 3, padding=1),
        nn.Conv2d(4, 2, 1),
    )


def test_the_swap_finds_the_size_of_each_layer():
    net = network()
    report = swap(net, (3, 8, 6), name="n", operator=("local", {}))
    assert report.reasons == {"3": "local: kernel (1, 1)"}
    assert net[0].weight.shape == (8 * 6, 3 * 9, 4)
    assert net[2].weight.shape == (4 * 3, 4 * 9, 4)
    assert net(torch.randn(1, 3, 8, 6)).shape == (1, 2, 4, 3)
    share = (48 * 27 * 4 + 12 * 36 * 4) / (48 * 27 * 4 + 12 * 36 * 4 + 12 * 4 * 2)
    assert report.share_operator == pytest.approx(share)


def test_another_size_of_input_is_an_error():
    net = network()
    swap(net, (3, 8, 6), name="n", operator=("local", {}))
    with pytest.raises(UserError, match=r"built for inputs of \(8, 6\) got \(6, 8\)"):
        net(torch.randn(1, 3, 6, 8))


def test_what_is_too_large_stays_and_says_so():
    net = network()
    report = swap(net, (3, 8, 6), name="n", operator=("local", {"most_weights": 1728}))
    assert report.reasons["0"] == "local: 5,184 weights, most_weights is 1,728"
    assert isinstance(net[2], LocallyConnected)
    with pytest.raises(UserError, match="conv local replaces nothing in n: 1,728 weights"):
        swap(network(), (3, 8, 6), name="n", operator=("local", {"most_weights": 10}))


def test_an_algorithm_has_nothing_to_compute_in_it_and_its_share_says_so():
    net = network()[:2]
    swap(net, (3, 8, 6), name="n", operator=("local", {}))
    with pytest.raises(UserError, match="conv winograd replaces nothing in n: it has no conv"):
        swap(net, (3, 8, 6), name="n", algorithm=("winograd", {}))
    net.append(nn.Conv2d(4, 4, 3, padding=1))
    report = swap(net, (3, 8, 6), name="n", algorithm=("winograd", {}))
    local, conv = 48 * 27 * 4, 12 * 36 * 4
    assert report.share_algorithm == pytest.approx(conv / (local + conv))


@pytest.mark.parametrize(
    ("conv", "reason"),
    [
        (nn.Conv2d(2, 2, 3, groups=2), "groups 2"),
        (nn.Conv2d(2, 2, 3, padding="same"), "padding 'same'"),
        (nn.Conv2d(2, 2, 3), None),
    ],
    ids=str,
)
def test_what_it_refuses_and_why(conv, reason):
    method = Local()
    method.survey(nn.Sequential(conv), (2, 5, 5))
    assert method.refuses(conv) == reason


def test_one_layer_at_two_sizes_stays_as_it_is():
    conv = nn.Conv2d(2, 2, 3)
    method = Local()
    method.survey(nn.Sequential(conv, conv), (2, 9, 9))
    assert method.refuses(conv) == "used at 2 sizes of input"
    assert method.refuses(nn.Conv2d(2, 2, 3)) == "used at 0 sizes of input"
