"""A folded network is the same function, whatever its graph looks like."""

import operator

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from harness.bench.networks import SUBJECTS
from harness.convs.fold import Packed, fold_finishes, fold_norms
from harness.convs.swap import swap
from harness.errors import UserError


class Network(nn.Module):
    """Convolutions, norms and a ReLU in the order that `way(self, x)` calls them."""

    def __init__(self, way):
        super().__init__()
        self.way = way
        self.c, self.d = (nn.Conv2d(4, 4, 3, padding=1) for _ in range(2))
        self.b1, self.b2 = nn.BatchNorm2d(4), nn.BatchNorm2d(4)
        self.relu, self.pool = nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1)
        for norm in (self.b1, self.b2):
            for tensor in (norm.weight, norm.bias, norm.running_mean):
                nn.init.normal_(tensor)
            nn.init.uniform_(norm.running_var, 0.5, 2)

    def forward(self, x):
        return self.way(self, x)


def written_between(n, x):
    x = F.relu(x) + 1
    y = n.c(x)
    z = x.mul_(-1)
    return y + z


def written_into(n, x):
    y = n.d(x)
    z = y.add_(n.c(x))
    return z * 2 + y


WAYS = {
    "called twice": lambda n, x: n.b2(n.c(torch.relu(n.b1(n.c(x))))),
    "one relu of two": lambda n, x: torch.relu(n.c(x)) + n.c(x),
    "a broadcast sum": lambda n, x: n.pool(x) + n.c(x),
    "two norms": lambda n, x: n.b2(n.b1(n.c(x))),
    "weights read elsewhere": lambda n, x: n.b1(n.c(x)) + n.c.weight.sum(),
    "by keyword": lambda n, x: F.relu(input=n.b1(input=n.c(x))),
    "written between": written_between,
    "written into": written_into,
    "itself": lambda n, x: operator.add(*[n.c(x)] * 2),
    "unused": lambda n, x: (n.d(x), n.c(x))[1],
    "a block": lambda n, x: n.relu(n.b2(n.d(n.relu(n.b1(n.c(x))))) + x),
    "a sum in place": lambda n, x: operator.iadd(n.b1(n.c(x)), n.d(x)).relu(),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("algorithm", ["winograd", "standard"])
def test_folding_keeps_the_function(way, algorithm):
    torch.manual_seed(0)
    network, x = Network(WAYS[way]).eval(), torch.randn(2, 4, 8, 8)
    expected = network(x)
    base = fold_norms(network)
    torch.testing.assert_close(base(x), expected, rtol=1e-4, atol=1e-4)
    swap(base, (4, 8, 8), name="n", algorithm=(algorithm, {}))
    with torch.no_grad():
        found = fold_finishes(base, x)(x)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def operations(network):
    return {str(n.target) for n in network.graph.nodes if n.op.startswith("call")}


def test_a_block_is_two_convolutions_and_nothing_else():
    x = torch.randn(2, 4, 8, 8)
    for example, left in ((x, set()), (None, {"<built-in function add>", "relu"})):
        network = fold_norms(Network(WAYS["a block"]))
        swap(network, (4, 8, 8), name="n", algorithm=("winograd", {}))
        assert operations(fold_finishes(network, example)) == {"c", "d"} | left
    plain = fold_finishes(fold_norms(Network(WAYS["a block"])), x)
    assert isinstance(plain.c, Packed)
    assert plain.c.finish == "relu"


def test_what_pytorch_computes_is_packed_for_the_example_and_serves_other_sizes(monkeypatch):
    """oneDNN lays weights out by the size of the input, and computes others more slowly."""
    sizes = []

    class Spy(Packed):
        def __init__(self, conv, relu, size=None):
            sizes.append(size)
            super().__init__(conv, relu, size)

    monkeypatch.setattr("harness.convs.fold.Packed", Spy)

    def build():
        return nn.Sequential(nn.Conv2d(3, 8, 3, stride=2), nn.ReLU(), nn.Conv2d(8, 4, 1))

    network, x = build().eval(), torch.randn(2, 3, 9, 9)
    expected = {size: network(torch.ones(*size)) for size in [(2, 3, 9, 9), (1, 3, 12, 7)]}
    state = network.state_dict()
    for example, seen in ((x, [(2, 3, 9, 9), (2, 8, 4, 4)]), (None, [None, None])):
        sizes.clear()
        fresh = build().eval()
        fresh.load_state_dict(state)
        folded = fold_finishes(fresh, example)
        assert sizes == seen
        for size, y in expected.items():
            torch.testing.assert_close(folded(torch.ones(*size)), y)
    fold_finishes(build().eval(), x[0])
    assert sizes[-2:] == [(1, 3, 9, 9), (1, 8, 4, 4)]


def test_every_sum_of_a_residual_network_is_moved():
    subject = SUBJECTS["resnet18"]
    network = fold_norms(subject.build())
    swap(network, subject.size, name="n", algorithm=("winograd", {}))
    left = operations(fold_finishes(network, torch.randn(1, 3, 64, 64)))
    assert {name for name in left if "add" in name or "relu" in name} == set()


def test_a_module_under_two_names_is_left_alone():
    network = Network(lambda n, x: torch.relu(n.c(x)))
    network.again = network.c
    swap(network, (4, 8, 8), name="n", algorithm=("winograd", {}))
    fold_finishes(network)
    assert not network.c.relu


def test_what_cannot_be_traced_rightly_is_refused():
    hooked = nn.Sequential(nn.Conv2d(4, 4, 3), nn.ReLU())
    hooked.register_forward_hook(lambda _m, _x, y: y * 2)
    for fold in (fold_norms, fold_finishes):
        with pytest.raises(UserError, match="cannot be traced: the network has forward hooks"):
            fold(hooked)
        with pytest.raises(UserError, match="cannot be traced: .*len"):
            fold(Network(lambda n, x: n.c(x) * len(x)))
