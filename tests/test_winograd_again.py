"""A frozen layer repeats its last call for an input like it, and for no other."""

import pickle
from copy import deepcopy

import pytest
import torch
from torch import nn
from torch._subclasses import FakeTensorMode
from torch.fx.experimental.proxy_tensor import make_fx
from torch.nn import functional as F
from torch.nn.utils import parametrize, prune
from winograd_cases import needs_native

from harness.convs.algorithms import winograd_calls
from harness.convs.algorithms.winograd import Winograd
from harness.convs.algorithms.winograd_layer import freeze

pytestmark = needs_native
LAST = torch.channels_last


def maps(*size):
    return torch.randn(size).contiguous(memory_format=LAST)


@pytest.fixture
def new():
    """A frozen layer that has computed twice, and repeats the second call."""
    new = Winograd().replace(nn.Conv2d(5, 20, 3, padding=1)).eval()
    freeze(new)
    twice(new, maps(2, 5, 8, 8))
    return new


def twice(*call):
    for _ in range(2):
        right(*call)


def right(new, x, residual=None):
    """The output without gradients; asserted to be what PyTorch computes."""
    with torch.no_grad():
        y = new(x) if residual is None else new(x, residual)
        weight, bias = new.weight.to(x.dtype), new.bias.to(x.dtype)
        plain = F.conv2d(x, weight, bias, padding=new.padding)
        plain = plain if residual is None else plain + residual
        plain = plain.relu() if new.relu else plain
    torch.testing.assert_close(y, plain, rtol=1e-4, atol=1e-4)
    assert y.numel() == 0 or y.dtype == torch.float64 or y.stride() == plain.stride()
    return y


@pytest.fixture
def asked(monkeypatch):
    """The calls that are found out anew."""
    calls = []
    module = "harness.convs.algorithms.winograd_layer"
    forward = __import__(module, fromlist=["_forward"])._forward
    monkeypatch.setattr(f"{module}._forward", lambda *call: calls.append(call) or forward(*call))
    return calls


def test_inputs_alike(new, asked):
    for _ in range(3):
        right(new, maps(2, 5, 8, 8))
    with torch.inference_mode():
        right(new, maps(2, 5, 8, 8))
    assert asked == []


def test_residuals_alike(new, asked):
    for _ in range(4):
        right(new, maps(2, 5, 8, 8), maps(2, 20, 8, 8))
    assert len(asked) == 2


RESIDUALS = {
    "channels first": lambda: torch.randn(2, 20, 8, 8),
    "double": lambda: maps(2, 20, 8, 8).double(),
    "a negative view": lambda: torch._neg_view(maps(2, 20, 8, 8)),
}


@pytest.mark.parametrize("name", RESIDUALS)
def test_other_residuals(new, asked, name):
    x, residual = maps(2, 5, 8, 8), RESIDUALS[name]()
    twice(new, x, maps(2, 20, 8, 8))
    asked.clear()
    for _ in range(3):
        right(new, x, residual.float() if name == "double" else residual)
        torch.testing.assert_close(new(x, residual), new(x, residual.float()), rtol=1e-4, atol=1e-4)
    assert asked


def shift(parameter):
    with torch.no_grad():
        parameter.add_(1)


def threads(_):
    torch.set_num_threads(2 if torch.get_num_threads() == 1 else 1)


CHANGES = {
    "weights": lambda new: shift(new.weight),
    "other weights": lambda new: setattr(new, "weight", nn.Parameter(maps(20, 5, 3, 3))),
    "weights in another place": lambda new: setattr(new.weight, "data", maps(20, 5, 3, 3)),
    "bias": lambda new: shift(new.bias),
    "other bias": lambda new: setattr(new, "bias", nn.Parameter(torch.ones(20))),
    "ReLU": lambda new: setattr(new, "relu", True),
    "tile": lambda new: setattr(new, "tile", 2),
    "padding": lambda new: setattr(new, "padding", (0, 2)),
    "a negative bias": lambda new: setattr(
        new, "bias", nn.Parameter(torch._neg_view(torch.ones(20)))
    ),
    "negative weights": lambda new: setattr(
        new, "weight", nn.Parameter(torch._neg_view(maps(20, 5, 3, 3)))
    ),
    "half a bias": lambda new: setattr(new, "bias", nn.Parameter(torch.ones(20).half())),
    "every other bias": lambda new: setattr(new, "bias", nn.Parameter(torch.ones(40)[::2])),
    "computed weights": lambda new: parametrize.register_parametrization(new, "weight", nn.Tanh()),
    "a computed bias": lambda new: parametrize.register_parametrization(new, "bias", nn.Tanh()),
    "pruned weights": lambda new: prune.random_unstructured(new, "weight", 0.5),
    "training": lambda new: new.train(),
    "threads": threads,
    "nothing": lambda _: None,
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_has_changed_is_seen(new, asked, change):
    before = torch.get_num_threads()
    try:
        CHANGES[change](new)
        right(new, maps(2, 5, 8, 8))
        assert len(asked) == (change != "nothing")
        shift(next(new.parameters()))
        for _ in range(3):
            right(new, maps(2, 5, 8, 8))
    finally:
        torch.set_num_threads(before)


INPUTS = {
    "another batch": lambda: maps(1, 5, 8, 8),
    "another size": lambda: maps(2, 5, 8, 9),
    "channels first": lambda: torch.randn(2, 5, 8, 8),
    "within a larger map": lambda: maps(2, 5, 9, 9)[:, :, 1:, :8],
    "double": lambda: maps(2, 5, 8, 8).double(),
    "a negative view": lambda: torch._neg_view(maps(2, 5, 8, 8)),
    "empty": lambda: maps(0, 5, 8, 8),
}


@pytest.mark.parametrize("name", INPUTS)
def test_other_inputs(new, asked, name):
    x = INPUTS[name]()
    right(new, x)
    assert asked
    twice(new, x)
    right(new, maps(2, 5, 8, 8))


def test_no_native_code_where_it_is_switched_off(new, asked, monkeypatch):
    monkeypatch.setenv("HARNESS_NATIVE", "off")
    right(new, maps(2, 5, 8, 8))
    assert asked


@pytest.mark.parametrize("moment", ["transform", "plan"])
def test_weights_that_are_written_to_meanwhile(new, monkeypatch, moment):
    """As another thread may: while they are transformed, and before the call is remembered."""
    made, calls = getattr(winograd_calls, moment), []

    def written(*arguments, **named):
        result = made(*arguments, **named)
        if not calls:
            shift(new.weight)
        calls.append(arguments)
        return result

    shift(new.weight)
    with torch.no_grad():
        new(maps(2, 5, 8, 8))  # what is due is remembered the next time
        with monkeypatch.context() as patch:
            patch.setattr(winograd_calls, moment, written)
            if moment == "transform":
                shift(new.weight)
            new(maps(2, 5, 8, 8))
    assert calls
    for _ in range(3):
        right(new, maps(2, 5, 8, 8))


def test_what_watches_calls_sees_them(new):
    x = maps(2, 5, 8, 8)
    with torch.no_grad():
        traced = make_fx(new)(x)
        torch.testing.assert_close(traced(2 * x), new(2 * x), rtol=1e-4, atol=1e-4)
        with FakeTensorMode() as mode:
            fake = {name: mode.from_tensor(p) for name, p in new.named_parameters()}
            y = torch.func.functional_call(new, fake, (mode.from_tensor(x),))
    assert y.shape == (2, 20, 8, 8)
    right(new, x)


def test_wrong_inputs_are_refused_as_ever(new):
    with torch.no_grad():
        with pytest.raises(ValueError, match="expected 5 channels"):
            new(maps(2, 4, 8, 8))
        with pytest.raises(ValueError, match="residual"):
            new(maps(2, 5, 8, 8), maps(1, 20, 8, 8))


def test_gradients(new):
    x = maps(2, 5, 8, 8).requires_grad_()
    new(x).sum().backward()
    right(new, x.detach())
    assert x.grad is not None
    assert new.weight.grad is not None


@pytest.mark.filterwarnings("ignore:.*torch.jit:FutureWarning")  # PyTorch uses it itself
def test_forward_mode_and_vmap(new):
    x, direction = maps(2, 5, 8, 8), maps(2, 5, 8, 8)
    with torch.no_grad():
        plain = F.conv2d(direction, new.weight, padding=1)
        _, tangent = torch.func.jvp(new, (x,), (direction,))
        mapped = torch.func.vmap(new)(x.unsqueeze(0))
    torch.testing.assert_close(tangent, plain, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(mapped[0], right(new, x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("copy", [deepcopy, lambda new: pickle.loads(pickle.dumps(new))])
def test_copies_have_weights_of_their_own(new, copy):
    other = copy(new)
    assert other.again._last is None
    shift(other.weight)
    assert not torch.equal(right(other, maps(2, 5, 8, 8)), right(new, maps(2, 5, 8, 8)))
