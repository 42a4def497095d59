"""What a swap learns of a network from shapes alone, and that it touches nothing meanwhile."""

import re

import pytest
import torch
from torch import nn
from torch.nn.utils import prune

from harness.backbones import BACKBONES
from harness.convs.swap import dry_run, input_sizes, multiply_accumulates, swap
from harness.errors import UserError


def test_a_share_is_one_of_all_products_whoever_computes_them():
    class Squared(nn.Module):
        def forward(self, x):
            return x @ x.transpose(-1, -2)

    network = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), Squared())
    report = swap(network, (3, 6, 5), name="n", algorithm=("winograd", {}))
    conv, product = 27 * 4 * 30, 4 * 6 * 6 * 5
    assert report.share_algorithm == pytest.approx(conv / (conv + product))


@pytest.mark.parametrize("order", ["sw", "sww", "wws", "swp", "swppp"])
def test_what_replaces_nothing_says_why_for_most_layers_or_the_last(order):
    """Strided, wide and pointwise: the tile that fits no kernel is the mistake."""
    kinds = {"s": (3, (1, 2, 2)), "w": (3, 1), "p": (1, 1)}
    convs = [nn.Conv3d(3, 3, kinds[k][0], kinds[k][1], padding=kinds[k][0] // 2) for k in order]
    said = r"^conv winograd replaces nothing in n: tile \[2, 2\] for kernel \(3, 3, 3\)$"
    with pytest.raises(UserError, match=said):
        swap(
            nn.Sequential(*convs), (3, 4, 9, 9), name="n", algorithm=("winograd", {"tile": [2, 2]})
        )


class Backwards(nn.Module):
    """Calls the convolution that was registered last first."""

    def __init__(self):
        super().__init__()
        self.second, self.first = nn.Conv3d(4, 2, 1), nn.Conv3d(3, 4, 3, padding=1)

    def forward(self, x):
        y = self.first(x)
        return self.second(y[..., ::2, ::2]).mean() + self.second(y).mean()


def test_the_sizes_that_convolutions_see_come_in_the_order_of_the_calls():
    network = Backwards()
    assert list(input_sizes(network, (3, 4, 6, 5)).items()) == [
        (network.first, {(4, 6, 5)}),
        (network.second, {(4, 6, 5), (4, 3, 3)}),
    ]


def test_counting_work_computes_nothing():
    network = BACKBONES["tiny3d"](3, width=4)
    counts = multiply_accumulates(network, (3, 4, 16, 16))
    assert list(counts.values()) == [27 * 3 * 4 * 256, 27 * 4 * 8 * 128, 27 * 8 * 16 * 16]


@pytest.mark.parametrize("gradients", [False, True])
def test_a_dry_run_touches_no_state_whatever_is_shared(gradients):
    conv, tied = nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
    tied.weight = conv.weight
    network = nn.Sequential(conv, conv, tied, nn.BatchNorm2d(4))
    before = network.state_dict(keep_vars=True)
    values = {key: value.clone() for key, value in before.items()}
    y = dry_run(network, torch.empty(2, 4, 6, 5, device="meta"), gradients=gradients)
    assert y.is_meta
    assert y.requires_grad == gradients
    after = network.state_dict(keep_vars=True)
    assert all(after[key] is before[key] for key in before)
    torch.testing.assert_close(after, values, rtol=0, atol=0)


def test_a_record_says_how_much_is_computed_how_and_what_was_left():
    network = BACKBONES["tiny3d"](3, width=8)
    convs = {"operator": ("r2plus1d", {}), "algorithm": ("winograd", {})}
    report = swap(network, (3, 4, 16, 16), name="tiny3d", **convs)
    assert report.label_on("cuda") == "r2plus1d + winograd (reference)"
    assert report.describe("cpu").startswith(
        report.label + "; r2plus1d in 3 of 3, 100% of the work"
    )
    assert f"winograd in {report.computed} of 6, {report.share_algorithm:.0%} of the work" in (
        report.describe("cpu")
    )
    left = sum(int(count) for count in re.findall(r"(\d+) \(winograd: ", report.describe("cpu")))
    assert left == len(report.reasons) == 6 - report.computed > 0
    plain = swap(BACKBONES["tiny3d"](3, width=8), (3, 4, 16, 16), name="tiny3d")
    assert plain.describe("cpu") == "standard"


class Doubled(nn.Conv2d):
    def _conv_forward(self, input, weight, bias):
        return super()._conv_forward(input, 2 * weight, bias)


def test_a_subclass_that_computes_something_else_is_left_as_it_is():
    network = nn.Sequential(nn.Conv2d(3, 4, 3), Doubled(4, 4, 3))
    report = swap(network, (3, 8, 8), name="n", algorithm=("winograd", {}))
    assert report.layers == report.computed == 1
    assert type(network[1]) is Doubled


@pytest.mark.parametrize("choice", [{"algorithm": ("ilpm", {})}, {"operator": ("kernel", {})}])
def test_hooks_are_not_lost(choice):
    """They may see the output, or make the weights, as pruning does."""
    network = nn.Sequential(*(nn.Conv2d(3, 3, 3) for _ in range(3)))
    network[0].register_forward_hook(lambda *_: None)
    prune.l1_unstructured(network[1], "weight", 0.5)
    report = swap(network, (3, 9, 9), name="n", **choice)
    [(kind, _)] = choice.values()
    left = f"{kind}: hooks, which its replacement would not have"
    assert report.reasons == {"0": left, "1": left}
    assert type(network[0]) is type(network[1]) is nn.Conv2d
