"""A frozen layer repeats its last call for an input like it, and for no other."""

import pickle
from copy import deepcopy

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from winograd_cases import needs_native

from harness.convs.algorithms.winograd import Winograd
from harness.convs.algorithms.winograd_layer import freeze

pytestmark = needs_native
LAST = torch.channels_last


def maps(*size):
    return torch.randn(size).contiguous(memory_format=LAST)


@pytest.fixture
def new():
    """A frozen layer that has computed once."""
    new = Winograd().replace(nn.Conv2d(5, 20, 3, padding=1)).eval()
    freeze(new)
    right(new, maps(2, 5, 8, 8))
    return new


def right(new, x, residual=None):
    """The output without gradients; asserted to be what PyTorch computes."""
    with torch.no_grad():
        y = new(x) if residual is None else new(x, residual)
        plain = F.conv2d(x, new.weight.to(x.dtype), new.bias.to(x.dtype), padding=1)
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
        new(maps(2, 5, 8, 8))
    assert asked == []


def test_residuals_alike(new, asked):
    for _ in range(2):
        right(new, maps(2, 5, 8, 8), maps(2, 20, 8, 8))
    assert len(asked) == 1


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
    finally:
        torch.set_num_threads(before)
    assert len(asked) == (change != "nothing")


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
    for _ in range(2):
        right(new, x)
    right(new, maps(2, 5, 8, 8))
    assert asked


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
    shift(other.weight)
    assert not torch.equal(right(other, maps(2, 5, 8, 8)), right(new, maps(2, 5, 8, 8)))
