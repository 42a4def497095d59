"""The controls that cut links between channels: grouped and depthwise separable."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from harness.convs.operators.depthwise_separable import DepthwiseSeparable
from harness.convs.operators.grouped import Grouped
from harness.convs.swap import swap
from harness.errors import UserError


def weights(module):
    return sum(p.numel() for m in module.modules() if hasattr(m, "kernel_size") for p in [m.weight])


@pytest.mark.parametrize("groups", [2, 4])
def test_groups_do_not_see_each_other(groups):
    conv = nn.Conv3d(8, 12, 3, stride=2, padding=1)
    new = Grouped(groups=groups).replace(conv)
    assert weights(new) * groups == weights(conv)
    x = torch.zeros(1, 8, 4, 4, 4)
    x[:, 0] = 1
    seen = new(x).detach().flatten(2).abs().amax(2)[0] > 0
    assert seen.tolist() == [i < 12 // groups for i in range(12)]


def test_each_channel_by_itself_then_all_of_them():
    conv = nn.Conv3d(4, 6, 3, stride=(1, 2, 2), padding=1, padding_mode="replicate").double()
    new = DepthwiseSeparable().replace(conv.eval())
    x = torch.randn(2, 4, 3, 6, 5, dtype=torch.float64)
    padded = F.pad(x, [1] * 6, mode="replicate")
    depthwise = torch.cat(
        [
            F.conv3d(padded[:, i : i + 1], new.depthwise.weight[i : i + 1], stride=(1, 2, 2))
            for i in range(4)
        ],
        dim=1,
    )
    scaled = depthwise.relu() / (1 + 1e-5) ** 0.5  # as batch normalisation begins
    expected = F.conv3d(scaled, new.pointwise.weight, new.pointwise.bias)
    torch.testing.assert_close(new(x), expected, rtol=0, atol=1e-12)
    assert weights(new) == 27 * 4 + 4 * 6
    assert new.depthwise.bias is None


def test_mobilenets_share_of_work():
    """1 / N + 1 / k^2 of the multiply-adds, equation 5 of the paper."""
    conv = nn.Conv2d(64, 128, 3, padding=1, bias=False)
    new = DepthwiseSeparable().replace(conv)
    assert weights(new) / weights(conv) == pytest.approx(1 / 128 + 1 / 9)


@pytest.mark.parametrize("operator", ["grouped", "depthwise_separable"])
def test_the_first_layer_stays_as_it_is(operator):
    network = nn.Sequential(nn.Conv2d(20, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1))
    report = swap(network, (20, 8, 8), name="n", operator=(operator, {}))
    assert report.reasons == {"0": f"{operator}: first layer"}


def test_what_cannot_be_grouped_and_why():
    assert Grouped().refuses(nn.Conv2d(4, 7, 3)) == "4 to 7 channels in 2 groups"
    assert Grouped().refuses(nn.Conv2d(4, 4, 3, groups=4)) == "groups 4"
    assert Grouped(groups=4).refuses(nn.Conv2d(4, 8, 3)) is None
    with pytest.raises(UserError, match="groups: must be at least 2, got 1"):
        Grouped(groups=1)
