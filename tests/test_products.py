"""What operators multiply beside convolutions: closed forms against a count of what really ran."""

from math import prod

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from harness.bench.products import products, unsaid
from harness.convs.operators.volterra import Volterra
from harness.convs.swap import swap

SIZE = (3, 4, 6, 5)
OPERATORS = {
    "volterra": [
        {"rank": 1},
        {"rank": 3},
        {"form": "depthwise"},
        {"form": "full"},
    ],
    "hyper": [{}, {"hidden": (5,)}],
    "local": [{}],
    "interleaved": [{}],
}
CASES = [(name, options) for name, each in OPERATORS.items() for options in each]


class Multiplied(TorchDispatchMode):
    """Counts products of two maps, and the MACs of matrix products and convolutions."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        packet = func.overloadpacket
        if packet in flop_registry:
            self.count += flop_registry[packet](*args, **(kwargs or {}), out_val=result) // 2
        elif packet is torch.ops.aten.mul and _maps(*args):
            self.count += result.numel()
        return result


def _maps(*factors):
    """Neither the gate, which has no axes, nor the numbers of rows and columns."""
    return all(isinstance(f, torch.Tensor) and f.dim() and f.is_floating_point() for f in factors)


def network():
    return nn.Sequential(
        nn.Conv3d(3, 2, 1), nn.ReLU(), nn.Conv3d(2, 2, 3, padding=1), nn.Conv3d(2, 4, 3, stride=2)
    )


@pytest.mark.parametrize("samples", [1, 3])
@pytest.mark.parametrize(("name", "options"), CASES, ids=str)
def test_all_that_runs_is_counted(name, options, samples):
    made = network()
    swap(made, SIZE, name="n", operator=(name, options))
    x = torch.randn(samples, *SIZE)
    with torch.no_grad(), Multiplied() as multiplied:
        made.eval()(x)
    batch = x.to("meta")
    assert products(made, batch).computed == multiplied.count
    assert unsaid(made, batch) == 0


@pytest.mark.parametrize(
    ("options", "each"),
    [
        ({"rank": 3}, 3 * 6 * (2 * 36 + 1)),  # two convolutions of 4 x 9 taps, and their product
        ({"form": "full"}, 36 * 37 // 2 * (1 + 6)),  # each product once, and its coefficients
        ({"form": "depthwise"}, 4 * (9 * 9 + 9) + 4 * 6),  # v^T (T v) in each channel; the mix
    ],
    ids=str,
)
def test_volterras_products_are_those_of_its_definition(options, each):
    conv = nn.Conv2d(4, 6, 3, bias=False)
    new = Volterra(**options).replace(conv)
    batch = torch.empty(2, 4, 8, 7, device="meta")
    assert products(new, batch).computed == 2 * prod((6, 5)) * (6 * 36 + each)


def test_an_algorithm_changes_only_what_it_computes():
    def computed(algorithm):
        made = nn.Sequential(nn.Conv2d(4, 6, 3, padding=1))
        swap(made, (4, 8, 8), name="n", operator=("volterra", {}), algorithm=algorithm)
        return products(made, torch.empty(1, 4, 8, 8, device="meta")).computed

    beside = 2 * 6 * 64
    direct, fast = computed(("standard", {})), computed(("winograd", {"tile": 2}))
    assert (direct - beside) / (fast - beside) == 2.25


def test_what_a_module_does_not_say_is_unsaid():
    made = network()
    swap(made, SIZE, name="n", operator=("kernel", {}))
    batch = torch.empty(2, *SIZE, device="meta")
    assert unsaid(made, batch) > 0
    assert unsaid(nn.Sequential(nn.Flatten(), nn.Linear(360, 7)), batch) == 2 * 360 * 7
