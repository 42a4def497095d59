"""Group convolutions: how layers and whole networks answer to a turned and a mirrored input."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from harness.backbones import BACKBONES
from harness.convs import OPERATORS
from harness.convs.orientations import inverse_times, turned, turned_map, turned_vectors
from harness.convs.swap import swap
from harness.errors import UserError

GROUPS = {"group_p4": 4, "group_p4m": 8}


def built(network, size, name, algorithm="standard", **options):
    network = network.double()
    swap(network, size, name="n", operator=(name, options), algorithm=(algorithm, {}))
    return network


def noise(*size):
    return torch.randn(2, *size, dtype=torch.float64)


def close(x, y, atol=1e-12):
    torch.testing.assert_close(x, y, rtol=0, atol=atol)


def two_layers(dimensions, channels, order, **geometry):
    """A lifting layer and one between maps; the average over orientations is left out."""
    conv = [nn.Conv2d, nn.Conv3d][dimensions - 2]
    network = nn.Sequential(
        conv(channels, 2 * order, 3, padding=1, **geometry), conv(2 * order, order, 3, padding=1)
    )
    size = (channels, *[3] * (dimensions - 2), 7, 7)
    return network, size


def without_average(network):
    network._forward_hooks.clear()
    return network


@pytest.mark.parametrize("order", [4, 8])
def test_orientations_form_a_group(order):
    x = torch.randn(5, 5)
    every = [turned(x, g) for g in range(order)]
    for g in range(order):
        for h in range(order):
            assert torch.equal(turned(every[inverse_times(g, h)], g), every[h])


@given(data=st.data(), order=st.sampled_from([4, 8]), dimensions=st.sampled_from([2, 3]))
def test_a_map_turns_with_the_input(data, order, dimensions):
    channels, g = data.draw(st.integers(1, 9)), data.draw(st.integers(0, order - 1))
    stride = data.draw(st.sampled_from([1, 2]))
    name = next(name for name, n in GROUPS.items() if n == order)
    network, size = two_layers(dimensions, channels, order, stride=stride)
    network = without_average(built(network, size, name))
    x = noise(*size)
    for layers in (network[:1], network):
        close(layers(turned(x, g)), turned_map(layers(x), g, order))


@pytest.mark.parametrize("dimensions", [2, 3])
def test_four_orientations_are_those_of_the_definition(dimensions):
    """out[r] = sum over s of x[s] * rot90^r(W[(s - r) mod 4]); a lifted map has W alone."""
    network, size = two_layers(dimensions, 3, 4)
    network = without_average(built(network, size, "group_p4"))
    conv = [F.conv2d, F.conv3d][dimensions - 2]

    def turn(weight, r):
        return torch.rot90(weight, r, (-2, -1))

    x = noise(*size)
    lift, between = (layer.parametrizations.weight.original for layer in network)
    one, other = (layer.parametrizations.bias.original for layer in network)
    lifted = network[0](x)
    for r in range(4):
        close(lifted[:, r::4], conv(x, turn(lift, r), one, padding=1))
        parts = [
            conv(lifted[:, s::4], turn(between[:, (s - r) % 4 :: 4], r), padding=1)
            for s in range(4)
        ]
        bias = other.view(-1, *[1] * dimensions)
        close(network(x)[:, r::4], torch.stack(parts).sum(0) + bias)


def test_what_moves_right_moves_up_after_a_quarter_turn():
    field = torch.zeros(1, 2, 3, 3)
    field[0, 0, 1, 2] = 1  # at the right edge, u = 1
    once = turned_vectors(field, 1)
    assert once.nonzero().tolist() == [[0, 1, 0, 1]]  # at the upper edge, v = -1
    assert once.sum() == -1
    mirrored = turned_vectors(field, 4)
    assert mirrored.nonzero().tolist() == [[0, 0, 1, 0]]
    assert mirrored.sum() == -1


@pytest.mark.parametrize("pairs", [1, 10])
@pytest.mark.parametrize("name", GROUPS)
def test_flow_turns_as_vectors_do(name, pairs):
    """A stack of 20 channels is a multiple of 4, and still no map of orientations."""
    network, size = two_layers(2, 2 * pairs, GROUPS[name])
    network = without_average(built(network, size, name, input="vectors"))
    x = noise(*size)
    for g in range(GROUPS[name]):
        close(network(turned_vectors(x, g)), turned_map(network(x), g, GROUPS[name]))


def trained(network):
    """With normalisations that tell channels apart."""
    for norm in network.modules():
        if isinstance(norm, nn.modules.batchnorm._BatchNorm):
            nn.init.uniform_(norm.weight, 0.5, 2)
            for tensor in (norm.bias, norm.running_mean):
                nn.init.normal_(tensor, std=0.1)
            nn.init.uniform_(norm.running_var, 0.5, 2)
    return network


NETWORKS = {  # at a size at which no window of theirs is lopsided
    "tiny2d": ("tiny2d", (3, 16, 16)),
    "tiny2d of flow": ("tiny2d", (20, 12, 12)),
    "resnet18": ("resnet18", (3, 33, 33)),
    "r3d_18": ("r3d_18", (3, 2, 17, 17)),
}


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("name", GROUPS)
@pytest.mark.parametrize("network", NETWORKS)
def test_a_whole_network_turns_with_its_input(network, name, training):
    backbone, size = NETWORKS[network]
    network = trained(built(BACKBONES[backbone](size[0]), size, name)).train(training)
    x = noise(*size)
    with torch.no_grad():
        y = network(x)
        for g in (1, GROUPS[name] - 1):
            other = network(turned(x, g))
            close(other / y.abs().max(), turned(y, g) / y.abs().max())
            close(other.mean((-2, -1)), y.mean((-2, -1)), 1e-12 * y.abs().max())


def test_a_normalisation_starts_from_the_first_orientation():
    norm = trained(nn.Sequential(nn.BatchNorm2d(8)))[0].eval()
    before = {key: value.clone() for key, value in norm.double().state_dict().items()}
    network = built(nn.Sequential(nn.Conv2d(3, 8, 3), norm), (3, 6, 6), "group_p4")
    for key, value in network[1].state_dict().items():
        assert torch.equal(value, before[key][::4] if value.dim() else before[key])
    assert not network[1].training


def test_a_stride_on_even_maps_breaks_it():
    network = built(BACKBONES["resnet18"](3), (3, 32, 32), "group_p4").eval()
    x = noise(3, 32, 32)
    with torch.no_grad():
        y, other = network(x), network(turned(x, 1))
    assert (other - turned(y, 1)).abs().max() > 1e-2 * y.abs().max()


@pytest.mark.parametrize("name", GROUPS)
def test_a_convolution_keeps_its_part_of_the_parameters(name):
    n = GROUPS[name]
    network, size = two_layers(2, 3, n)
    before = sum(p.numel() for p in network.parameters())
    assert sum(p.numel() for p in built(network, size, name).parameters()) * n == before
    assert network[1].weight.shape == (n, 2 * n, 3, 3)


@pytest.mark.parametrize("dimensions", [2, 3])
def test_an_algorithm_turns_the_kernels_too(dimensions):
    plain, size = two_layers(dimensions, 3, 4)
    plain = built(plain, size, "group_p4")
    other, _ = two_layers(dimensions, 3, 4)
    other = built(other, size, "group_p4", "winograd")
    other.load_state_dict(plain.state_dict())
    x, loss = noise(*size), []
    for network in (plain, other):
        loss.append(network(x).square().sum())
        loss[-1].backward()
    close(*loss, 1e-9)
    close([p.grad for p in plain.parameters()], [p.grad for p in other.parameters()], 1e-9)


@pytest.mark.parametrize(
    ("layers", "reason"),
    [
        ([nn.Conv2d(4, 8, 3), nn.Conv2d(8, 2, 3)], "1 .*2 output channels, no multiple of 4"),
        ([nn.Conv2d(4, 8, 3), nn.Conv2d(8, 8, 3, groups=8)], "1 .*groups 8"),
        ([nn.Conv2d(4, 8, 3), nn.Conv2d(8, 8, (3, 1))], r"1 .*kernel \(3, 1\)"),
        ([nn.Conv2d(4, 8, 3), nn.GroupNorm(2, 8)], "1 .*GroupNorm"),
        ([nn.BatchNorm2d(4), nn.Conv2d(4, 8, 3)], "0 .*BatchNorm2d"),
        ([nn.Conv2d(4, 8, 3), nn.utils.parametrizations.weight_norm(nn.Conv2d(8, 8, 3))], "gener"),
    ],
    ids=["width", "groups", "kernel", "norm", "norm of the input", "generated"],
)
def test_a_layer_that_does_not_turn_is_an_error(layers, reason):
    with pytest.raises(UserError, match=f"^conv group_p4 .* n: .*{reason}"):
        swap(nn.Sequential(*layers), (4, 9, 9), name="n", operator=("group_p4", {}))


@pytest.mark.parametrize(
    ("conv", "reason"),
    [
        (nn.Conv3d(4, 4, (3, 5, 5), stride=(2, 1, 1), padding=(1, 2, 2)), None),
        (nn.Conv2d(4, 4, 3, stride=(1, 2)), "stride (1, 2)"),
        (nn.Conv2d(4, 4, 3, dilation=(1, 2)), "dilation (1, 2)"),
        (nn.Conv2d(4, 4, 3, padding=(1, 2)), "padding (1, 2)"),
        (nn.Conv2d(4, 4, 4, padding="same"), "padding 'same'"),
        (nn.Conv2d(6, 4, 3), "6 input channels, no multiple of 4"),
    ],
    ids=str,
)
def test_what_it_refuses_and_why(conv, reason):
    assert OPERATORS["group_p4"]().refuses(conv) == reason
