"""Transformed weights are kept in evaluation, and made again only when the weights change."""

import io
import pickle
from copy import deepcopy

import pytest
import torch
from torch import nn
from winograd_cases import needs_native

from harness.convs.algorithms import winograd_calls
from harness.convs.algorithms.winograd import Winograd
from harness.convs.algorithms.winograd_layer import freeze

pytestmark = needs_native


@pytest.fixture
def made(monkeypatch):
    """The tiles of the transforms of weights, as they are made."""
    tiles, transform = [], winograd_calls.transform

    def spy(x, weight, padding, tile):
        tiles.append(tile)
        return transform(x, weight, padding, tile)

    monkeypatch.setattr(winograd_calls, "transform", spy)
    return tiles


@pytest.fixture
def new():
    return Winograd().replace(nn.Conv2d(5, 20, 3, padding=1)).eval()


X = torch.linspace(-1, 1, 2 * 5 * 8 * 8).view(2, 5, 8, 8)


def computed(new, x=X):
    """The output without gradients, which is right."""
    with torch.no_grad():
        y = new(x)
        plain = nn.functional.conv2d(x, new.weight, new.bias, padding=1)
    torch.testing.assert_close(y, plain, rtol=1e-4, atol=1e-5)
    return y


def test_once_for_all_batches_and_sizes_of_a_tile(new, made):
    assert torch.equal(computed(new), computed(new))
    computed(new, X[:1])
    computed(new, torch.randn(3, 5, 13, 7))
    with torch.inference_mode():
        new(X)
    assert made == [(4, 4)]


def step(new):
    optimizer = torch.optim.SGD(new.parameters(), lr=0.1)
    new(X).sum().backward()
    optimizer.step()


def load(new):
    new.load_state_dict({key: value + 1 for key, value in new.state_dict().items()})


def add_to_data(new):
    new.weight.data.add_(1)


def set_data(new):
    new.weight.data = new.weight.data + 1


def set_weight(new):
    new.weight = nn.Parameter(new.weight.detach() + 1)


def change_under_no_grad(new):
    with torch.no_grad():
        new.weight[0, 0, 0, 1] += 1  # a single one, which is not of the sample


def prune_data(new):
    new.weight.data[:, 1:] = 0


def turn_data(new):
    new.weight.data = new.weight.data.transpose(2, 3)  # the same memory, read in another order


def write_through_numpy(new):
    new.weight.detach().numpy()[3, 2, 1, 1] = 9


def change_layout(new):
    new.to(memory_format=torch.channels_last)


BEHIND = [add_to_data, prune_data, turn_data, write_through_numpy]  # no version counter sees them
CHANGES = [*BEHIND, step, load, set_data, set_weight, change_under_no_grad, change_layout]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_again_when_the_weights_change(new, made, change):
    computed(new)
    change(new)
    computed(new)
    computed(new)
    assert made == [(4, 4)] * 2


def test_frozen_weights_are_told_by_their_version_alone(new, made):
    freeze(nn.Sequential(new))
    kept = computed(new)
    new.weight.data.add_(1)
    with torch.no_grad():
        assert torch.equal(new(X), kept)
    change_under_no_grad(new)
    computed(new)
    assert made == [(4, 4)] * 2


def test_never_in_training_or_with_gradients(new, made):
    new(X).sum().backward()
    new.train()
    computed(new)
    assert made == []
    new.eval()
    computed(new)
    new.train()
    computed(new)
    new.eval()
    computed(new)
    assert made == [(4, 4)]  # what was kept still serves


def test_two_tiles_in_turn_are_both_kept(new, made):
    small = torch.randn(1, 5, 2, 2)
    for _ in range(3):
        computed(new)
        computed(new, small)
    assert made == [(4, 4), (2, 2)]


def test_an_axis_of_length_one_has_weights_of_its_own(made):
    """Only the middle of the kernel meets a map of one row."""
    new = Winograd().replace(nn.Conv2d(5, 20, 3, padding=1)).eval()
    for x in (torch.randn(1, 5, 1, 8), torch.randn(1, 5, 2, 8), torch.randn(1, 5, 1, 8)):
        computed(new, x)
    assert len(made) == 2


@pytest.mark.parametrize("how", ["deepcopy", "pickle", "save"])
def test_copies_do_not_carry_them(new, made, how):
    def size(module):
        return len(pickle.dumps(module))

    def saved(module):
        file = io.BytesIO()
        torch.save(module, file)
        file.seek(0)
        return torch.load(file, weights_only=False)

    before = size(new)
    kept = computed(new)
    assert size(new) < before + 400  # the place of what is kept, not what is kept
    copy = {"deepcopy": deepcopy, "pickle": lambda m: pickle.loads(pickle.dumps(m)), "save": saved}
    del made[:]
    other = copy[how](new)
    assert list(other.state_dict()) == ["weight", "bias"]
    assert torch.equal(computed(other), kept)
    assert len(made) == 1
    other.weight.data.add_(1)
    computed(other)
    assert torch.equal(computed(new), kept)


def test_generated_weights_are_transformed_at_every_call(made):
    conv = nn.Conv2d(5, 20, 3, padding=1)
    nn.utils.parametrizations.weight_norm(conv)
    new = Winograd().replace(conv).eval()
    for _ in range(2):
        computed(new)
        with torch.no_grad():
            new.parametrizations.weight.original0.mul_(2)
    assert made == []
