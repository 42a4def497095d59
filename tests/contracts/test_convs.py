"""What every operator and algorithm owes; an entry is tested because it is in its table."""

from copy import deepcopy

import pytest
import torch
from alike import same_with_gradients
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils.parametrize import register_parametrization

from harness.backbones import BACKBONES
from harness.convs import ALGORITHMS, OPERATORS
from harness.convs.swap import Surveyor, convolutions, swap
from harness.errors import UserError

OTHER_OPERATORS = [name for name in OPERATORS if name != "standard"]
OTHER_ALGORITHMS = [name for name in ALGORITHMS if name != "standard"]


@st.composite
def conv_and_input(draw):
    """A small `nn.Conv2d` or `nn.Conv3d` in double precision, and a batch that it accepts."""
    dimensions = draw(st.sampled_from([2, 3]))
    usually_one = st.sampled_from([1, 1, 1, 2])
    groups = draw(usually_one)
    cubic = draw(st.booleans())
    side = draw(st.integers(1, 5))
    kernel = [side if cubic else draw(st.integers(1, 5)) for _ in range(dimensions)]
    conv = [nn.Conv2d, nn.Conv3d][dimensions - 2](
        groups * draw(st.integers(1, 3)),
        groups * draw(st.integers(1, 3)),
        kernel,
        stride=draw(usually_one),
        padding=[draw(st.integers(0, 2)) for _ in range(dimensions)],
        dilation=draw(usually_one),
        groups=groups,
        bias=draw(st.booleans()),
        padding_mode=draw(st.sampled_from(["zeros", "zeros", "zeros", "replicate"])),
        dtype=torch.float64,
    )
    reach = [d * (k - 1) + 1 for d, k in zip(conv.dilation, kernel, strict=True)]
    size = [r + draw(st.integers(0, 6)) for r in reach]
    batch = draw(st.integers(1, 3))
    x = torch.randn(batch, conv.in_channels, *size, dtype=torch.float64, requires_grad=True)
    return conv, x


class Network(nn.Module):
    """Convolutions that most entries can replace, one of them used twice, and one of 1 x 1 x 1."""

    def __init__(self, dimensions: int = 3) -> None:
        super().__init__()
        conv = nn.Conv2d if dimensions == 2 else nn.Conv3d
        self.first = nn.Sequential(conv(3, 8, 3, padding=1, bias=False), nn.ReLU())
        self.twice = conv(8, 8, 3, padding=1)
        self.again = self.twice
        self.last = conv(8, 8, 1)
        self.size = (3, 6, 5) if dimensions == 2 else (3, 4, 6, 5)

    def forward(self, x):
        return self.last(self.again(self.twice(self.first(x)).relu()))


@pytest.mark.parametrize("name", ALGORITHMS)
@given(case=conv_and_input())
def test_an_algorithm_computes_what_torch_does(name, case):
    conv, x = case
    method = ALGORITHMS[name]()
    reason = method.refuses(conv)
    if reason is not None:
        assert isinstance(reason, str)
        assert reason
        return
    same_with_gradients(method.replace(conv)(x), conv(x), [x, *conv.parameters()], 1e-10)


class Twice(nn.Module):
    """Generates each second output channel as a copy of the one before it."""

    def forward(self, half):
        return half.repeat_interleave(2, dim=0)

    def right_inverse(self, whole):
        return whole[::2].clone()


@pytest.mark.parametrize("dimensions", [2, 3])
@pytest.mark.parametrize("name", ALGORITHMS)
def test_an_algorithm_computes_with_the_kernel_that_is_generated_now(name, dimensions):
    conv = [nn.Conv2d, nn.Conv3d][dimensions - 2](3, 4, 3, padding=1, dtype=torch.float64)
    for tensor in ("weight", "bias"):
        register_parametrization(conv, tensor, Twice())
    new = ALGORITHMS[name]().replace(conv)
    assert list(new.state_dict()) == list(conv.state_dict())
    pairs = zip(new.parameters(), conv.parameters(), strict=True)
    assert all(ours is theirs for ours, theirs in pairs)
    assert convolutions(nn.Sequential(conv)) == {"0": conv}
    x = torch.randn(2, 3, *[6] * dimensions, dtype=torch.float64)
    for _ in range(2):
        ours, theirs = new(x), conv(x)
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-11)
        grads = [
            torch.autograd.grad(y.square().sum(), list(conv.parameters())) for y in (ours, theirs)
        ]
        torch.testing.assert_close(*grads, rtol=0, atol=1e-10)
        with torch.no_grad():  # an optimiser's step
            for parameter in conv.parameters():
                parameter.add_(torch.randn_like(parameter))


@pytest.mark.parametrize("name", OPERATORS)
@given(case=conv_and_input())
def test_an_operator_keeps_the_size(name, case):
    conv, x = case
    method = OPERATORS[name]()
    if isinstance(method, Surveyor):
        first = type(conv)(conv.in_channels, conv.in_channels, 1, dtype=torch.float64)
        method.survey(nn.Sequential(first, conv), x.shape[1:])
    reason = method.refuses(conv)
    if reason is not None:
        assert isinstance(reason, str)
        assert reason
        return
    new = method.replace(conv.eval())
    assert not any(module.training for module in new.modules())
    assert {p.dtype for p in new.parameters()} == {torch.float64}
    assert new(x).shape == conv(x).shape


@pytest.mark.parametrize("table", [OPERATORS, ALGORITHMS], ids=lambda table: table.kind)
def test_standard_leaves_everything_as_it_is(table):
    network = Network()
    before = list(network.modules())
    report = swap(network, network.size, name="n", **{table.kind: ("standard", {})})
    assert list(network.modules()) == before
    assert (report.layers, report.label, report.reasons) == (3, "standard", {})
    assert "standard" in table["standard"]().refuses(network.last)


@pytest.mark.parametrize("name", ALGORITHMS)
def test_an_algorithm_says_what_it_runs_on(name):
    assert ALGORITHMS[name]().kernel in ("torch", "native", "reference", "fallback")


@pytest.mark.parametrize("dimensions", [2, 3])
@pytest.mark.parametrize("name", OTHER_ALGORITHMS)
def test_an_algorithm_under_a_network_changes_how_it_computes_and_nothing_else(name, dimensions):
    network = Network(dimensions).eval()
    x = torch.randn(2, *network.size)
    parameters, keys = dict(network.named_parameters()), list(network.state_dict())
    before = network(x)
    report = swap(network, network.size, name="n", algorithm=(name, {}))
    torch.testing.assert_close(network(x), before, rtol=1e-4, atol=1e-5)
    assert list(network.state_dict()) == keys
    assert all(p is parameters[key] for key, p in network.named_parameters())
    assert not network.twice.training
    assert type(network.twice) not in (nn.Conv2d, nn.Conv3d)
    assert report.label == f"{name} ({ALGORITHMS[name]().kernel})"
    assert report.computed >= 2
    assert 0 < report.share_algorithm <= 1


@pytest.mark.parametrize("name", OTHER_ALGORITHMS)
def test_a_checkpoint_moves_between_algorithms(name):
    network, swapped = Network(), Network()
    swap(swapped, swapped.size, name="n", algorithm=(name, {}))
    swapped.load_state_dict(network.state_dict())
    x = torch.randn(2, *network.size)
    torch.testing.assert_close(swapped(x), network(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", OTHER_OPERATORS)
def test_an_operator_has_parameters_of_its_own_drawn_from_the_seed(name):
    def swapped():
        torch.manual_seed(3)
        network = Network()
        return network, swap(network, network.size, name="n", operator=(name, {}))

    (network, report), (same, _) = swapped(), swapped()
    assert report.label == name
    assert report.replaced_operator >= 1  # some leave a network's first layer, or its last
    torch.testing.assert_close(network.state_dict(), same.state_dict(), rtol=0, atol=0)
    for module in network.modules():
        assert module.training
    network(torch.randn(2, *network.size)).sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


@pytest.mark.parametrize("name", OTHER_OPERATORS)
def test_an_operator_keeps_all_its_state_in_parameters_and_buffers(name):
    def swapped(seed):
        torch.manual_seed(seed)
        network = Network()
        swap(network, network.size, name="n", operator=(name, {}))
        return network.eval()

    network, other = swapped(0), swapped(1)
    x = torch.randn(2, *network.size)
    with torch.no_grad():
        expected = network(x)
        assert not torch.equal(other(x), expected)
        other.load_state_dict(network.state_dict())
        torch.testing.assert_close(other(x), expected, rtol=0, atol=0)
        torch.testing.assert_close(deepcopy(network)(x), expected, rtol=0, atol=0)
        last = network.to(memory_format=torch.channels_last_3d)
        torch.testing.assert_close(last(x), expected, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(
            network.double()(x.double()).float(), expected, rtol=1e-3, atol=1e-4
        )


@pytest.mark.parametrize("name", OTHER_OPERATORS)
def test_an_operator_runs_on_shapes_alone(name):
    with torch.device("meta"):
        network = Network()
        plain = network(torch.empty(2, *network.size))
        swap(network, network.size, name="n", operator=(name, {}))
        assert network(torch.empty(2, *network.size)).shape == plain.shape
    assert all(tensor.is_meta for tensor in network.state_dict().values())


@pytest.mark.parametrize("operator", OTHER_OPERATORS)
@pytest.mark.parametrize("algorithm", OTHER_ALGORITHMS)
def test_an_algorithm_computes_what_an_operator_is_made_of_or_says_why_not(operator, algorithm):
    def built(choice):
        torch.manual_seed(0)
        network = BACKBONES["tiny3d"](3, width=8)
        report = swap(
            network, (3, 4, 16, 16), name="tiny3d", operator=(operator, {}), algorithm=choice
        )
        return network, report

    plain, _ = built(("standard", {}))
    method = ALGORITHMS[algorithm]()
    if all(method.refuses(conv) for conv in convolutions(plain).values()):
        with pytest.raises(UserError, match=f"^conv {algorithm} replaces nothing in tiny3d: "):
            built((algorithm, {}))
        return
    network, report = built((algorithm, {}))
    x = torch.randn(2, 3, 4, 16, 16)
    torch.testing.assert_close(network(x), plain(x), rtol=1e-3, atol=1e-4)
    assert report.label == f"{operator} + {algorithm} ({method.kernel})"
    assert report.replaced_operator in (report.layers, report.layers - 1)
    assert report.computed >= 1
    assert 0 < report.share_algorithm <= 1


def test_the_report_gives_the_share_of_the_work_and_the_reasons():
    network = Network()
    report = swap(network, network.size, name="n", algorithm=("winograd", {}))
    pixels = 4 * 6 * 5
    first, twice, last = 27 * 3 * 8 * pixels, 2 * 27 * 8 * 8 * pixels, 8 * 8 * pixels
    assert report.layers == 3
    assert report.computed == 2
    assert report.share_algorithm == pytest.approx((first + twice) / (first + twice + last))
    assert report.reasons == {"last": "winograd: kernel (1, 1, 1)"}


def test_what_stands_in_two_places_is_replaced_in_both():
    network = Network()
    swap(network, network.size, name="n", operator=("r2plus1d", {}))
    assert network.again is network.twice
    assert isinstance(network.twice, nn.Sequential)


@pytest.mark.parametrize("name", OTHER_OPERATORS)
def test_what_replaces_nothing_is_an_error_that_names_the_network(name):
    network = nn.Sequential(nn.Conv3d(3, 3, 1, groups=3), nn.ReLU())
    said = rf"^conv {name} replaces nothing in n: (groups 3|kernel \(1, 1, 1\))$"
    with pytest.raises(UserError, match=said):
        swap(network, (3, 4, 4, 4), name="n", operator=(name, {}))
    with pytest.raises(UserError, match=f"conv {name} replaces nothing in n: it has no conv"):
        swap(nn.ReLU(), (3, 4, 4, 4), name="n", operator=(name, {}))


def test_r2plus1d_under_an_image_network_is_an_error():
    network = BACKBONES["tiny2d"](3)
    with pytest.raises(
        UserError, match="^conv r2plus1d replaces nothing in tiny2d: 2-D convolution$"
    ):
        swap(network, (3, 32, 32), name="tiny2d", operator=("r2plus1d", {}))


def test_an_unknown_name_gets_a_hint():
    with pytest.raises(UserError, match="did you mean 'winograd'"):
        swap(Network(), (3, 4, 6, 5), name="n", algorithm=("winogard", {}))
