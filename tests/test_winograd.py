"""The native Winograd kernels compute what PyTorch does in double precision, and all gradients."""

from copy import deepcopy
from itertools import product

import pytest
import torch
from hypothesis import assume, given
from torch import nn
from winograd_cases import LAYOUTS, Case, as_scheduled, cases, errors, laid, last, needs_native

from harness.convs.algorithms.winograd import Winograd
from harness.convs.algorithms.winograd_layer import WinogradConv2d, WinogradConv3d

pytestmark = needs_native

# Of the largest sum of absolute products. Most errors are below 1e-6; maps of one value, whose
# rounding errors all have one sign, come to 3e-6 in a gradient of a gradient.
BOUND = 1e-5


def in_double(case, *, absolute=False):
    """`case` in double precision; `absolute`: what its results are in size, sums of products."""
    conv = deepcopy(case.conv).double()
    changed = {}
    for name in ("x", "gradient", "shortcut"):
        if (tensor := getattr(case, name)) is not None:
            changed[name] = tensor.abs().double() if absolute else tensor.double()
    if absolute:
        for parameter in conv.parameters():
            parameter.data.abs_()
    return Case(**vars(case) | {"conv": conv} | changed)


def result(case, conv, mask=None):
    """The output, and the inputs by which it may be differentiated."""
    x = case.x.detach().requires_grad_()
    inputs = [x, *conv.parameters()]
    if case.shortcut is None:
        y = conv(x)
    else:
        shortcut = case.shortcut.detach().requires_grad_()
        inputs.append(shortcut)
        fused = isinstance(conv, WinogradConv2d | WinogradConv3d)
        y = conv(x, shortcut) if fused else conv(x) + shortcut
    return (y if mask is None else y * mask), inputs


@given(case=cases())
def test_equals_torch_without_gradients(case):
    new = case.swapped().eval()
    double, size = in_double(case), in_double(case, absolute=True)
    with torch.no_grad(), as_scheduled(case):
        first = new(case.x, case.shortcut)
        again = new(case.x, case.shortcut)  # with the weights that were kept
        double, size = result(double, double.conv)[0], result(size, size.conv)[0]
    torch.testing.assert_close(first, again, rtol=0, atol=0)
    expected = double.relu() if case.relu else double
    assert max(errors([first], [expected], [size])) < BOUND


@given(case=cases())
def test_gradients_equal_torchs(case):
    new = case.swapped()
    with as_scheduled(case):
        ours, inputs = result(case, new)
        grads = torch.autograd.grad(ours, inputs, case.gradient)
    mask = (ours > 0).double() if case.relu else None  # where rounding is not to decide
    outcomes = []
    for other in (in_double(case), in_double(case, absolute=True)):
        theirs, inputs = result(other, other.conv, mask)
        outcomes.append([theirs.detach(), *torch.autograd.grad(theirs, inputs, other.gradient)])
    if mask is not None:
        outcomes[1][0] = in_double(case, absolute=True).conv(case.x.abs().double()).detach() + 1
    assert all(a.shape == b.shape for a, b in zip([ours, *grads], outcomes[0], strict=True))
    assert max(errors([ours, *grads], *outcomes)) < BOUND


@given(case=cases(most=20))
def test_gradients_of_gradients_equal_torchs(case):
    assume(len(case.x))  # torch has no gradient of a gradient of nothing
    case.relu, case.shortcut = False, None

    def second(case, conv):
        y, (x, weight, *_) = result(case, conv)
        gradient = case.gradient.detach().requires_grad_()
        first = torch.autograd.grad(y, [x, weight], gradient, create_graph=True)
        seeds = [case.x.roll(1, -1), conv.weight.detach().roll(1, 0)]
        return torch.autograd.grad(first, [x, weight, gradient], seeds)

    with as_scheduled(case):
        ours = second(case, case.swapped())
    double, size = in_double(case), in_double(case, absolute=True)
    assert max(errors(ours, second(double, double.conv), second(size, size.conv))) < BOUND


@pytest.mark.parametrize("positions_first", [False, True])
@pytest.mark.parametrize("by_panels", [False, True])
@pytest.mark.parametrize(
    ("channels", "filters"), [(130, 33), (300, 16), (64, 129), (257, 40)], ids=str
)
def test_many_channels_are_computed_in_parts(channels, filters, by_panels, positions_first):
    conv = nn.Conv2d(channels, filters, 3, padding=1)
    x, y = torch.randn(2, channels, 9, 6), torch.randn(2, filters, 9, 6)
    usual = {"shortcut": None, "relu": False, "threads": 2}
    order = (7, by_panels, positions_first)
    case = Case(conv=conv, tile=4, x=x, gradient=y, schedule=order, **usual)
    test_equals_torch_without_gradients.hypothesis.inner_test(case)
    test_gradients_equal_torchs.hypothesis.inner_test(case)


# One value for a whole map has no layout of its own.
@pytest.mark.parametrize("layout", sorted({*LAYOUTS} - {"expanded"}))
@pytest.mark.parametrize("dimensions", [2, 3])
def test_the_output_lies_in_memory_as_torchs_does(dimensions, layout):
    for channels, weights_last, gradients in product([1, 6], [False, True], [False, True]):
        conv = [nn.Conv2d, nn.Conv3d][dimensions - 2](channels, 20, 3, padding=1)
        if weights_last:
            conv.weight.data = last(conv.weight.data)
        x = laid(torch.randn(2, channels, *[8] * dimensions), layout)
        with torch.set_grad_enabled(gradients):
            ours, theirs = Winograd().replace(conv)(x), conv(x)
        assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)
        assert ours.stride() == theirs.stride()


@pytest.mark.parametrize("dimensions", [2, 3])
@pytest.mark.parametrize("gradients", [False, True])
def test_one_image_needs_no_batch(dimensions, gradients):
    conv = [nn.Conv2d, nn.Conv3d][dimensions - 2](5, 7, 3, padding=1).requires_grad_(gradients)
    new = Winograd().replace(conv).eval()
    new.relu = True
    x, shortcut = torch.randn(5, *[6] * dimensions), torch.randn(7, *[6] * dimensions)
    expected = (conv(x) + shortcut).relu()
    torch.testing.assert_close(new(x, shortcut), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("gradients", [False, True])
def test_what_is_not_a_number_is_not_hidden(gradients):
    new = Winograd().replace(nn.Conv2d(3, 20, 3, padding=1).requires_grad_(gradients)).eval()
    new.relu = True
    x = torch.randn(1, 3, 8, 8)
    x[0, 1, 2, 2] = torch.nan
    assert new(x)[0, :, 1:4, 1:4].isnan().all()


def test_threads_do_not_change_a_bit():
    conv = nn.Conv3d(40, 70, 3, padding=1)
    outcomes = []
    for count in (1, 2):
        case = Case(
            conv=conv,
            tile="auto",
            x=torch.linspace(-1, 1, 2 * 40 * 5 * 9 * 9).view(2, 40, 5, 9, 9),
            gradient=torch.linspace(-1, 1, 2 * 70 * 5 * 9 * 9).view(2, 70, 5, 9, 9),
            shortcut=None,
            relu=False,
            threads=count,
            schedule=None,
        )
        with as_scheduled(case):
            y, inputs = result(case, case.swapped())
            outcomes.append([y, *torch.autograd.grad(y, inputs, case.gradient)])
    torch.testing.assert_close(*outcomes, rtol=0, atol=0)


# Largest error relative to the largest value, at the sizes and statistics of a network in use.
ACCURACY = {(2, 2): 1e-6, (4, 4): 5e-6, (2, 2, 2): 2e-6, (4, 4, 4): 1.2e-5}


@pytest.mark.parametrize("tile", ACCURACY, ids=str)
@pytest.mark.parametrize("channels", [64, 256])
def test_is_accurate_in_single_precision(channels, tile):
    torch.manual_seed(0)
    size = (14, 14) if len(tile) == 2 else (4, 8, 8)
    conv = [nn.Conv2d, nn.Conv3d][len(tile) - 2](channels, 64, 3, padding=1, bias=False)
    nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
    new = Winograd(tile=list(tile)).replace(conv)
    x, gradient = torch.randn(2, channels, *size).relu(), torch.randn(2, 64, *size)

    def computed(conv, x, gradient):
        y = conv(x.requires_grad_())
        return [y.detach(), *torch.autograd.grad(y, [x, conv.weight], gradient)]

    ours = computed(new, x, gradient)
    theirs = computed(deepcopy(conv).double(), x.detach().double(), gradient.double())
    measured = errors(ours, theirs, [b.abs() for b in theirs])
    print(f"F{tile} of {channels} channels: " + ", ".join(f"{error:.1e}" for error in measured))
    assert max(measured) < ACCURACY[tile]
