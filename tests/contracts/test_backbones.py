"""What every backbone owes; an entry is tested because it is in the table."""

import pytest
import torch
from torch import nn

from harness.backbones import BACKBONES
from harness.backbones.tiny import HalveClip
from harness.convs.swap import convolutions
from harness.errors import UserError

SIZES = {2: (64, 48), 3: (8, 64, 48)}  # frames, height, width


def built(name, channels=5):
    torch.manual_seed(0)
    return BACKBONES[name](channels), SIZES[BACKBONES[name].DIMENSIONS]


@pytest.mark.parametrize("name", BACKBONES)
def test_its_dimensions_are_known_without_building_it(name):
    assert BACKBONES[name].DIMENSIONS in (2, 3)


@pytest.mark.parametrize("channels", [2, 3, 20])
@pytest.mark.parametrize("name", BACKBONES)
def test_the_map_has_its_channels_and_no_negative_values(name, channels):
    network, size = built(name, channels)
    x = torch.randn(2, channels, *size)
    with torch.no_grad():
        y = network(x)
    assert y.shape[:2] == (2, network.out_channels)
    assert y.dim() == x.dim()
    assert (y >= 0).all()
    assert y.any()


@pytest.mark.parametrize("name", BACKBONES)
def test_it_is_built_of_ordinary_convolutions_of_its_dimensions(name):
    network, _ = built(name)
    convs = [m for m in network.modules() if isinstance(m, nn.modules.conv._ConvNd)]
    assert len(convs) == len(convolutions(network)) > 0
    kind = nn.Conv2d if BACKBONES[name].DIMENSIONS == 2 else nn.Conv3d
    assert all(isinstance(conv, kind) for conv in convs)


@pytest.mark.parametrize("name", BACKBONES)
def test_the_seed_decides_its_weights(name):
    (network, _), (same, _) = built(name), built(name)
    torch.testing.assert_close(network.state_dict(), same.state_dict(), rtol=0, atol=0)


@pytest.mark.parametrize("name", BACKBONES)
def test_every_parameter_learns(name):
    network, size = built(name)
    network(torch.randn(2, 5, *size)).sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


@pytest.mark.parametrize("name", BACKBONES)
def test_it_is_built_on_shapes_alone(name):
    with torch.device("meta"):
        network, size = built(name)
        y = network(torch.empty(2, 5, *size))
    assert y.is_meta
    assert y.shape[1] == network.out_channels


def test_torchvision_networks_keep_their_names_and_widths():
    network, _ = built("resnet18")
    assert "layer4.1.conv2.weight" in network.state_dict()
    assert network.conv1.weight.shape == (64, 5, 7, 7)
    assert "layer4.1.conv2.0.weight" in built("r3d_18")[0].state_dict()
    assert built("resnet50")[0].out_channels == 2048


@pytest.mark.parametrize("name", ["tiny2d", "tiny3d"])
@pytest.mark.parametrize("depth", [2, 3, 4])
def test_the_tiny_networks_halve_the_image_once_less_than_they_are_deep(name, depth):
    network = BACKBONES[name](3, width=4, depth=depth)
    frames = () if BACKBONES[name].DIMENSIONS == 2 else (8,)
    y = network(torch.randn(2, 3, *frames, 32, 48))
    assert network.out_channels == 4 * 2 ** (depth - 1) == y.shape[1]
    assert y.shape[-2:] == (32 // 2 ** (depth - 1), 48 // 2 ** (depth - 1))
    assert y.shape[2:-2] == torch.Size(length // 2 ** (depth - 1) for length in frames)


@pytest.mark.parametrize("name", ["tiny2d", "tiny3d"])
def test_the_tiny_networks_take_one_frame_of_one_pixel(name):
    network = BACKBONES[name](3, width=4, depth=4).eval()
    size = (1,) * BACKBONES[name].DIMENSIONS
    assert network(torch.randn(1, 3, *size)).shape == (1, 32, *size)


@pytest.mark.parametrize("options", [{"width": 0}, {"depth": 0}, {"depth": -1}], ids=str)
@pytest.mark.parametrize("name", ["tiny2d", "tiny3d"])
def test_the_tiny_networks_refuse_to_be_nothing(name, options):
    with pytest.raises(UserError, match="at least 1"):
        BACKBONES[name](3, **options)


def test_halving_a_clip_is_mean_then_max_pooling():
    clip = torch.randn(2, 3, 6, 8, 10, dtype=torch.float64)
    pooled = nn.functional.avg_pool3d(clip, (2, 1, 1))
    torch.testing.assert_close(HalveClip(image=False)(clip), pooled)
    pooled = nn.functional.max_pool3d(pooled, (1, 2, 2))
    torch.testing.assert_close(HalveClip(image=True)(clip), pooled)


def test_an_odd_frame_is_kept_by_itself():
    clip = torch.randn(1, 1, 3, 2, 2)
    torch.testing.assert_close(HalveClip(image=False)(clip)[:, :, 1], clip[:, :, 2])
