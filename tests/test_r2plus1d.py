"""R(2+1)D: the published widths, equal parameters, and where stride and padding go."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torchvision.models import video

from harness.convs.operators.r2plus1d import R2Plus1d, leaders, mid_channels
from harness.convs.swap import swap
from harness.errors import UserError


@pytest.mark.parametrize(
    ("channels", "width"),
    [((64, 64), 144), ((64, 128), 230), ((128, 256), 460), ((256, 512), 921), ((512, 512), 1152)],
    ids=str,
)
def test_the_published_widths(channels, width):
    assert mid_channels(*channels, t=3, d=3) == width


@given(
    channels=st.tuples(st.integers(1, 600), st.integers(1, 600)),
    t=st.integers(2, 7),
    d=st.integers(2, 7),
)
def test_parameters_stay_just_below_those_of_the_full_kernel(channels, t, d):
    n_in, n_out = channels
    width = mid_channels(n_in, n_out, t=t, d=d)
    per_channel = d * d * n_in + t * n_out
    full = t * d * d * n_in * n_out
    assert width * per_channel <= max(full, per_channel) < (width + 1) * per_channel


def test_its_parts_and_their_order():
    conv = nn.Conv3d(4, 6, (3, 5, 5), stride=(2, 3, 3), padding=(1, 2, 2), bias=True)
    new = R2Plus1d().replace(conv)
    spatial, norm, relu, temporal = [m for m in new.modules() if not list(m.children())]
    width = mid_channels(4, 6, t=3, d=5)
    assert (spatial.in_channels, spatial.out_channels) == (4, width)
    assert (temporal.in_channels, temporal.out_channels) == (width, 6)
    assert (spatial.kernel_size, temporal.kernel_size) == ((1, 5, 5), (3, 1, 1))
    assert (spatial.stride, temporal.stride) == ((1, 3, 3), (2, 1, 1))
    assert (spatial.padding, temporal.padding) == ((0, 2, 2), (1, 0, 0))
    assert spatial.bias is None
    assert not temporal.bias.any()
    assert isinstance(norm, nn.BatchNorm3d)
    assert isinstance(relu, nn.ReLU)


def test_a_bias_only_where_there_was_one():
    assert R2Plus1d().replace(nn.Conv3d(4, 6, 3, bias=False)).temporal.bias is None


@pytest.mark.parametrize(
    ("conv", "reason"),
    [
        (nn.Conv2d(2, 2, 3), "2-D convolution"),
        (nn.Conv3d(2, 2, (1, 3, 3)), "kernel (1, 3, 3)"),
        (nn.Conv3d(2, 2, (3, 1, 1)), "kernel (3, 1, 1)"),
        (nn.Conv3d(2, 2, (3, 3, 5)), "kernel (3, 3, 5)"),
        (nn.Conv3d(2, 2, 3, groups=2), "groups 2"),
        (nn.Conv3d(2, 2, 3, dilation=2), "dilation (2, 2, 2)"),
        (nn.Conv3d(2, 2, 3, padding="same"), "padding 'same'"),
        (nn.Conv3d(2, 2, 3, stride=2, padding=1), None),
        (nn.Conv3d(2, 2, (2, 3, 3)), None),
    ],
    ids=str,
)
def test_what_it_refuses_and_why(conv, reason):
    assert R2Plus1d().refuses(conv) == reason


def test_separable_kernels_are_reproduced_exactly():
    """Where the full kernel is an outer product, the two factors without the middle are it."""
    conv = nn.Conv3d(1, 1, 3, padding=1, bias=False, dtype=torch.float64)
    new = R2Plus1d().replace(conv)
    spatial, temporal = new.spatial, new.temporal
    with torch.no_grad():
        for part in (spatial, temporal):
            part.weight[:, 1:] = 0
            part.weight[1:] = 0
        conv.weight.copy_(temporal.weight[:1, :1] * spatial.weight[:1, :1])
    x = torch.randn(2, 1, 4, 5, 6, dtype=torch.float64)
    torch.testing.assert_close(temporal(spatial(x)), conv(x), rtol=0, atol=1e-12)


def shapes(module):
    return [tuple(parameter.shape) for parameter in module.parameters()]


def test_decided_by_the_block_it_is_torchvisions_network_but_for_the_stem():
    with torch.device("meta"):
        ours, theirs = video.r3d_18(), video.r2plus1d_18()
        swap(ours, (3, 8, 32, 32), name="r3d_18", operator=("r2plus1d", {"channels": "block"}))
    for stage in ("layer1", "layer2", "layer3", "layer4"):
        assert shapes(ours.get_submodule(stage)) == shapes(theirs.get_submodule(stage))
    # 45 channels set by hand, 83 by the formula; a channel is 3 x 7 x 7 in, 64 x 3 out, 2 to scale.
    assert shapes(ours.stem)[0][0] - shapes(theirs.stem)[0][0] == 83 - 45
    difference = sum(p.numel() for p in ours.parameters()) - 31_505_325
    assert sum(p.numel() for p in theirs.parameters()) == 31_505_325
    assert difference == (83 - 45) * (3 * 7 * 7 + 64 * 3 + 2)


def test_decided_by_itself_a_later_convolution_of_a_block_is_wider():
    with torch.device("meta"):
        network = video.r3d_18()
        swap(network, (3, 8, 32, 32), name="r3d_18", operator=("r2plus1d", {}))
    block = network.layer2[0]
    assert block.conv1[0].spatial.out_channels == mid_channels(64, 128, t=3, d=3) == 230
    assert block.conv2[0].spatial.out_channels == mid_channels(128, 128, t=3, d=3) == 288


def test_a_block_is_no_plain_sequential_and_not_the_network():
    class Block(nn.Sequential):
        pass

    a, b, c, d = [nn.Conv3d(1, 1, 3) for _ in range(4)]
    block = Block(nn.Sequential(b, nn.ReLU()), nn.Sequential(c))
    found = leaders(Block(a, nn.Sequential(block), nn.Sequential(d), block))
    assert found == {a: a, b: b, c: b, d: d}


def test_without_blocks_none_can_decide():
    network = nn.Sequential(nn.Conv3d(2, 2, 3), nn.Sequential(nn.Conv3d(2, 2, 3)))
    with pytest.raises(UserError, match="^r2plus1d.channels: block, but no two conv"):
        swap(network, (2, 6, 6, 6), name="n", operator=("r2plus1d", {"channels": "block"}))
