"""Every optimiser takes the steps of PyTorch's plain one, however its weights are laid out."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from harness.optim import OPTIMIZERS

STEPS = 3


def network(layout):
    torch.manual_seed(0)
    parts = nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 4, 3)
    return nn.Sequential(*parts).to(memory_format=layout)


def optimizer_of(name, network, *, plain=False):
    optimizer = OPTIMIZERS[name](network.parameters(), lr=0.1)
    for group in optimizer.param_groups:
        assert group["fused"]
        group["fused"] = not plain
    return optimizer


def train(network, optimizer, steps=STEPS):
    torch.manual_seed(1)
    for _ in range(steps):
        loss = F.cross_entropy(network(torch.randn(2, 3, 9, 9)).mean((2, 3)), torch.tensor([0, 3]))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def assert_same(one, other):
    for a, b in zip(one.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=str)
def test_steps_are_those_of_the_plain_optimiser(name, layout):
    ours, plain = network(layout), network(layout)
    train(ours, optimizer_of(name, ours))
    train(plain, optimizer_of(name, plain, plain=True))
    assert_same(ours, plain)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_training_goes_on_where_weights_are_laid_out_otherwise(name):
    """The fused step itself would give the moments of one weight to another."""
    first = network(torch.contiguous_format)
    saved = optimizer_of(name, first)
    train(first, saved)
    ours = network(torch.channels_last)
    ours.load_state_dict(first.state_dict())
    optimizer = optimizer_of(name, ours)
    optimizer.load_state_dict(copy.deepcopy(saved.state_dict()))
    train(ours, optimizer)
    train(first, saved)
    assert_same(ours, first)


def test_parameters_may_be_given_once():
    built = [
        OPTIMIZERS[name](iter(network(torch.channels_last).parameters())) for name in OPTIMIZERS
    ]
    assert [len(optimizer.param_groups[0]["params"]) for optimizer in built] == [5] * len(built)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_step_raises_the_version_of_what_it_changes(name):
    """PyTorch's fused one does not."""
    ours = network(torch.channels_last)
    optimizer = optimizer_of(name, ours)
    before = [p._version for p in ours.parameters()]
    train(ours, optimizer, steps=1)
    assert all(p._version > then for p, then in zip(ours.parameters(), before, strict=True))


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("saved", [False, None])
def test_the_kind_of_step_is_that_of_the_machine_it_is_taken_on(name, saved):
    optimizer = OPTIMIZERS[name](network(torch.channels_last).parameters())
    elsewhere = optimizer.state_dict()
    for group in elsewhere["param_groups"]:
        group["fused"] = saved
    optimizer.load_state_dict(elsewhere)
    assert all(group["fused"] for group in optimizer.param_groups)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_elsewhere_pytorch_chooses(name):
    """False would keep a GPU from its own fast step."""
    weights = [nn.Parameter(torch.ones(2, device="meta"))]
    assert OPTIMIZERS[name](weights).param_groups[0]["fused"] is None
