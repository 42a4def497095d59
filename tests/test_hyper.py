"""Hyper-convolution: the number of parameters, the kernel of coordinates, how it starts."""

import copy
from math import sqrt

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from harness.convs.operators.hyper import Hyper, coordinates
from harness.convs.swap import swap
from harness.errors import UserError


def parameters(module):
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize("k", [3, 5, 7, 11])
def test_the_number_of_parameters_does_not_depend_on_the_kernel(k):
    image, clip = nn.Conv2d(8, 6, k, bias=False), nn.Conv3d(8, 6, (3, k, k))
    assert parameters(Hyper().replace(image)) == 388 + 5 * 8 * 6
    assert parameters(Hyper().replace(clip)) == 404 + 5 * 8 * 6 + 6


def test_the_first_layer_of_the_temporal_stream_is_a_tenth():
    conv = nn.Conv2d(20, 96, 7, bias=False)
    assert (parameters(Hyper().replace(conv)), parameters(conv)) == (9_988, 94_080)


@pytest.mark.parametrize("conv", [nn.Conv2d(2, 3, (3, 5)), nn.Conv3d(2, 3, (2, 3, 3))], ids=str)
def test_the_kernel_is_the_network_at_each_tap(conv):
    new = Hyper().replace(conv.double())
    weight = new.kernel()
    assert weight.shape == conv.weight.shape
    for tap, at in enumerate(coordinates(conv.kernel_size, normalise=False)):
        x = torch.tensor(at, dtype=torch.float64)
        for layer in new.kernel.hidden:
            x = layer(x) if isinstance(layer, nn.Linear) else torch.where(x > 0, x, 0.1 * x)
        expected = new.kernel.last(x).view(3, 2)
        torch.testing.assert_close(weight.flatten(2)[:, :, tap], expected, rtol=0, atol=1e-12)


def test_a_larger_kernel_continues_a_smaller_one():
    """The same coordinates give the same taps, whatever the kernel they are in."""
    small, large = (Hyper().replace(nn.Conv2d(2, 3, k)) for k in (3, 7))
    large.load_state_dict(small.state_dict())
    torch.testing.assert_close(large.kernel()[:, :, 2:5, 2:5], small.kernel())


def test_coordinates():
    assert coordinates((3, 2), normalise=False)[:3] == [(-1, -0.5), (-1, 0.5), (0, -0.5)]
    assert coordinates((5,), normalise=True) == [(-1,), (-0.5,), (0,), (0.5,), (1,)]
    assert coordinates((1, 3), normalise=True) == [(0, -1), (0, 0), (0, 1)]


def test_it_is_the_convolution_with_that_kernel():
    conv = nn.Conv3d(4, 6, 3, stride=2, padding=1, dilation=(1, 2, 1), groups=2).double()
    new = Hyper().replace(conv)
    nn.init.normal_(new.conv.bias)
    x = torch.randn(2, 4, 5, 6, 7, dtype=torch.float64)
    expected = F.conv3d(
        x, new.kernel(), new.conv.bias, stride=2, padding=1, dilation=(1, 2, 1), groups=2
    )
    torch.testing.assert_close(new(x), expected, rtol=0, atol=1e-12)


def test_gradients_are_right_through_the_network_of_coordinates():
    torch.manual_seed(0)
    new = Hyper(hidden=(3, 2)).replace(nn.Conv2d(1, 2, 3, padding=1).double())
    for layer in new.kernel.hidden[::2]:
        nn.init.normal_(layer.bias)  # with zeros the centre lies on the leaky ReLUs' kinks
    x = torch.randn(1, 1, 3, 3, dtype=torch.float64, requires_grad=True)
    names, values = zip(*new.named_parameters(), strict=True)

    def computed(x, *values):
        return torch.func.functional_call(new, dict(zip(names, values, strict=True)), (x,))

    assert torch.autograd.gradcheck(computed, (x, *values))


@pytest.mark.parametrize("normalise", [False, True])
@pytest.mark.parametrize("conv", [nn.Conv2d(20, 16, 7), nn.Conv3d(16, 32, 3), nn.Conv2d(4, 2, 11)])
def test_it_starts_at_the_scale_of_an_ordinary_kernel_and_nowhere_at_zero(conv, normalise):
    weight = Hyper(normalise=normalise).replace(conv).kernel().detach()
    expected = sqrt(2 / conv.weight[0].numel())
    assert weight.square().mean().sqrt().item() == pytest.approx(expected, rel=1e-4)
    taps = weight.flatten(2).square().mean((0, 1)).sqrt()
    assert taps.min() > 0.05 * expected


@pytest.mark.parametrize("train", [False, True])
def test_the_kernel_never_goes_stale(train):
    torch.manual_seed(0)
    new, other = (Hyper().replace(nn.Conv2d(2, 3, 3)).train(train) for _ in range(2))
    x = torch.randn(1, 2, 5, 5)
    before = new(x)
    before.sum().backward()
    assert list(new.state_dict()) == [
        "kernel.hidden.0.weight",
        "kernel.hidden.0.bias",
        "kernel.hidden.2.weight",
        "kernel.hidden.2.bias",
        "kernel.hidden.4.weight",
        "kernel.hidden.4.bias",
        "kernel.last.weight",
        "kernel.last.bias",
        "conv.bias",
    ]
    torch.optim.SGD(new.parameters(), lr=0.1).step()
    assert not torch.allclose(new(x), before)
    other.load_state_dict(new.state_dict())
    assert torch.equal(other(x), new(x))
    assert torch.equal(copy.deepcopy(new)(x), new(x))


def test_winograd_computes_the_convolution_and_gradients_reach_the_network():
    network = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU()).double()
    swap(network, (3, 6, 5), name="n", operator=("hyper", {}))
    x = torch.randn(2, 3, 6, 5, dtype=torch.float64)
    plain = network(x)
    report = swap(network, (3, 6, 5), name="n", algorithm=("winograd", {}))
    assert report.computed == 1
    assert type(network[0].conv).__name__ == "WinogradConv2d"
    torch.testing.assert_close(network(x), plain, rtol=0, atol=1e-12)
    assert "0.conv.weight" not in network.state_dict()
    network(x).square().sum().backward()
    assert all(p.grad is not None for p in network.parameters())


def test_what_it_refuses_and_why():
    assert Hyper().refuses(nn.Conv2d(2, 2, 1)) == "kernel (1, 1)"
    assert Hyper().refuses(nn.Conv2d(2, 2, (1, 2), groups=2, padding="same")) is None
    for hidden in [(), (16, 0), (16, 4097)]:
        with pytest.raises(
            UserError, match="^hidden: needs one or more widths from 1 to 4096, got"
        ):
            Hyper(hidden=hidden)
    assert Hyper(hidden=(4096, 1)).hidden == (4096, 1)
