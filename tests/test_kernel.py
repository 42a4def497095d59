"""Convolutional kernel networks: norm and scale of the map, where the filters start."""

from math import exp

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from harness.convs.clusters import spherical_means
from harness.convs.operators.kernel import KernelMap
from harness.errors import UserError
from harness.train.initialise import initialise


def noise(*size):
    return torch.randn(*size, dtype=torch.float64)


def close(x, y, atol=1e-12):
    torch.testing.assert_close(x, y, rtol=0, atol=atol)


def layer(c_in=2, c_out=5, kernel=3, dimensions=2, geometry=None, **options):
    conv = [nn.Conv2d, nn.Conv3d][dimensions - 2](c_in, c_out, kernel, **(geometry or {}))
    return KernelMap(**options).replace(conv.double())


def set_filters(module, filters):
    with torch.no_grad():
        module.filters.parametrizations.weight.original.copy_(
            filters.view_as(module.filters.weight)
        )


@given(
    data=st.data(), dimensions=st.sampled_from([2, 3]), root=st.sampled_from(["newton", "eigen"])
)
def test_it_is_the_definition_patch_by_patch(data, dimensions, root):
    padding, stride = data.draw(st.integers(0, 1)), data.draw(st.integers(1, 2))
    geometry = {"padding": padding, "stride": stride, "padding_mode": "replicate"}
    module = layer(dimensions=dimensions, geometry=geometry, root=root)
    x = noise(2, 2, *[5, 4, 6][-dimensions:])
    patches = module.window.patches(x).flatten(-dimensions).movedim(1, -2).flatten(-2)
    filters = module.filters.weight.flatten(1)

    def kernel(a, b):
        """The Gaussian of the distance of unit vectors."""
        distance = (a[..., None, :] - b).square().sum(-1)
        return (-distance / (2 * 0.6**2)).exp()

    values, vectors = torch.linalg.eigh(kernel(filters, filters) + 1e-3 * torch.eye(5))
    root = vectors @ torch.diag(values**-0.5) @ vectors.T
    norms = patches.norm(dim=-1, keepdim=True)
    close(module(x), (norms * (kernel(patches / norms, filters) @ root)).movedim(-1, 1), 1e-9)


@given(scale=st.floats(1e-3, 1e3))
def test_a_stronger_input_gives_as_much_more(scale):
    module, x = layer(), noise(2, 2, 5, 6)
    close(module(scale * x), scale * module(x), 1e-9 * scale)
    assert (module(-x) + module(x)).abs().max() > 0.1


@pytest.mark.parametrize("filters", [18, 30])
def test_a_linear_kernel_with_enough_filters_turns_patches_only(filters):
    module = layer(c_out=filters, similarity="linear", ridge=1e-12)
    set_filters(module, orthonormal := torch.linalg.qr(noise(filters, 18)).Q)
    if filters == 18:
        close(module.filters.weight.flatten(1), orthonormal)
    x = noise(2, 2, 5, 6)
    patches = module.window.patches(x).flatten(-2).movedim(1, -2).flatten(-2)
    close(module(x).norm(dim=1), patches.norm(dim=-1), 1e-5)
    # Inner products too, and so all angles.
    y = module(x)[0].flatten(1)
    close(y.T @ y, patches[0].flatten(0, 1) @ patches[0].flatten(0, 1).T, 1e-4)


def test_patches_that_are_filters_keep_their_norm_and_their_likeness():
    x = noise(1, 2, 4, 4)
    module = layer(c_out=4, ridge=1e-10)
    patches = module.window.patches(x).flatten(-2).movedim(1, -2).flatten(-2)[0].flatten(0, 1)
    set_filters(module, patches)
    y = module(x)[0].flatten(1).T
    close(y.norm(dim=1), patches.norm(dim=1), 1e-6)
    likeness = F.cosine_similarity(patches[0], patches[1], dim=0).item()
    close(F.cosine_similarity(y[0], y[1], dim=0).item(), exp((likeness - 1) / 0.36), 1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_patch_of_zeros_gives_zeros_and_no_gradient(dtype):
    module = layer(geometry={"padding": 1}).to(dtype)
    x = torch.zeros(1, 2, 9, 9, dtype=dtype)
    x[..., :4] = torch.randn(4)
    x.requires_grad_()
    y = module(x)
    assert (y[..., 6:] == 0).all()
    assert (y[..., :4] != 0).any()
    y.square().sum().backward()
    for grad in (x.grad, *(parameter.grad for parameter in module.parameters())):
        assert grad.isfinite().all()
    assert (x.grad[..., 7:] == 0).all()


def test_gradients_are_right():
    module = layer(c_in=1, c_out=3, geometry={"padding": 1, "stride": 2})
    x = noise(2, 1, 4, 3).requires_grad_()
    (name, original), *none = module.named_parameters()
    assert not none

    def function(x, original):
        return torch.func.functional_call(module, {name: original}, (x,))

    assert torch.autograd.gradcheck(function, (x, original))


def test_filters_stay_on_the_sphere_whatever_the_optimiser_does():
    module = layer()
    optimizer = torch.optim.AdamW(module.parameters(), lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        module(noise(2, 2, 5, 6)).sum().backward()
        optimizer.step()
        close(module.filters.weight.flatten(1).norm(dim=1), torch.ones(5).double())


def test_means_on_the_sphere_find_directions():
    torch.manual_seed(1)
    centres = F.normalize(noise(4, 6), dim=1)
    points = F.normalize(centres.repeat(200, 1) + 0.02 * noise(800, 6), dim=1)
    means = spherical_means(points, 4)
    assert (centres @ means.T).amax(1).min() > 0.999
    assert spherical_means(points[:3], 8).shape == (3, 6)


def network(init):
    torch.manual_seed(0)
    make = KernelMap(init=init).replace
    first = make(nn.Conv2d(3, 8, 3, padding=1))
    return nn.Sequential(
        first, nn.BatchNorm2d(8), make(nn.Conv2d(8, 6, 3)), make(nn.Conv2d(6, 4, 1))
    )


class OfBatches(nn.Module):
    def __init__(self, layers):
        super().__init__()
        self.layers = layers

    def forward(self, batch):
        return self.layers(batch["rgb"])


def test_filters_start_as_means_of_patches_layer_by_layer():
    layers = network("patches")
    x = torch.randn(12, 3, 8, 8)
    before = {name: buffer.clone() for name, buffer in layers.named_buffers()}
    initialise(OfBatches(layers), ({"rgb": part} for part in x.split(3)))
    torch.testing.assert_close(dict(layers.named_buffers()), before, rtol=0, atol=0)

    def closest(module, seen):
        """The mean cosine of a patch and the filter nearest to it."""
        patches = module.window.patches(seen).flatten(-2).movedim(1, -2).flatten(-2)
        patches = F.normalize(patches.flatten(0, -2), dim=1)
        return (patches @ module.filters.weight.flatten(1).T).amax(1).mean()

    random = network("random")
    with torch.no_grad():
        for ours, theirs in zip(layers, random, strict=True):
            if not isinstance(ours, nn.BatchNorm2d):
                assert closest(ours, x) > closest(theirs, x) + 0.05
            x = ours(x)
    assert all(not module._forward_pre_hooks for module in layers.modules())


def test_the_same_seed_gives_the_same_filters_and_too_few_patches_leave_some_random():
    x = torch.zeros(1, 3, 8, 8)
    x[0, 0, 4, 4] = 1  # nine patches that are not constant, and two layers later none too many
    one, other = network("patches"), network("patches")
    random = other[0].filters.weight.clone()
    for layers in (one, other):
        torch.manual_seed(5)
        initialise(OfBatches(layers), [{"rgb": x}])
    torch.testing.assert_close(one.state_dict(), other.state_dict(), rtol=0, atol=0)
    assert (one[0].filters.weight != random).flatten(1).any(1).all()


def test_a_network_that_does_not_start_from_data_sees_none_and_draws_nothing():
    layers, state = network("random"), torch.get_rng_state()
    initialise(OfBatches(layers), iter(()))
    assert torch.equal(torch.get_rng_state(), state)


def test_constant_patches_are_no_filters():
    module = layer(c_in=1, c_out=4, kernel=2, init="patches")
    before = module.filters.weight.clone()
    module.initialise_from(torch.ones(2, 1, 5, 5, dtype=torch.float64))
    close(module.filters.weight, before)


@pytest.mark.parametrize(
    ("conv", "reason"),
    [
        (nn.Conv3d(2, 3, (1, 3, 3), dilation=(1, 2, 1)), None),
        (nn.Conv2d(4, 4, 1), None),
        (nn.Conv2d(4, 4, 3, groups=2), "groups 2"),
        (nn.Conv2d(4, 4, 3, padding="same"), "padding 'same'"),
    ],
    ids=str,
)
def test_what_it_refuses_and_why(conv, reason):
    assert KernelMap().refuses(conv) == reason


@pytest.mark.parametrize("options", [{"sigma": 0.0}, {"ridge": -1.0}])
def test_a_kernel_needs_a_width_and_a_ridge(options):
    with pytest.raises(UserError, match="^(sigma|ridge): must be more than 0, got"):
        KernelMap(**options)
