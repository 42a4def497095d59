"""Kernels of networks: layers composed by the outer convolution, black boxes by least squares."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from harness.convs.operators.volterra import Volterra
from harness.convs.volterra_kernels import outer_conv, proxy_kernels
from harness.errors import UserError


def noise(*size):
    return torch.randn(*size, dtype=torch.float64)


def close(x, y, atol=1e-11):
    torch.testing.assert_close(x, y, rtol=0, atol=atol)


def diagonal(kernel):
    """Of order 2: each of its values on the square of one value."""
    return kernel.flatten().diag().reshape(*kernel.shape, *kernel.shape)


@given(sizes=st.tuples(*[st.integers(1, 4)] * 4), stride=st.integers(1, 3))
def test_the_outer_convolution_is_its_sum(sizes, stride):
    m, n, a, b = sizes
    g, first, second = noise(m, n), noise(a), noise(b)
    expected = torch.zeros(a + stride * (m - 1), b + stride * (n - 1), dtype=torch.float64)
    for i in range(m):
        for j in range(n):
            rows, columns = stride * i, stride * j
            expected[rows : rows + a, columns : columns + b] += g[i, j] * torch.outer(first, second)
    close(outer_conv(g, [first, second], stride=stride), expected)


@given(rank=st.integers(1, 4))
def test_the_rank_is_that_of_the_core(rank):
    core = noise(5, rank) @ noise(rank, 5)
    composed = outer_conv(core, [noise(3), noise(4)])
    assert torch.linalg.matrix_rank(composed, rtol=1e-9) == rank


def test_convolution_square_convolution_is_an_order_two_kernel():
    """Computed by the operator whose full form is given the outer convolution of the kernels."""
    inner, outer = nn.Conv2d(2, 3, 2, bias=False), nn.Conv2d(3, 1, 2, bias=False)
    inner, outer = inner.double(), outer.double()
    h2 = torch.zeros(2, 9, 2, 9, dtype=torch.float64)
    for m in range(3):
        core = diagonal(outer.weight[0, m].detach())
        for c, h in enumerate(inner.weight[m].detach()):
            for d, k in enumerate(inner.weight[m].detach()):
                h2[c, :, d] += outer_conv(core, [h, k]).reshape(9, 9)
    h2 = h2.reshape(18, 18)
    close(h2, h2.T)
    layer = Volterra(form="full", norm="none").replace(nn.Conv2d(2, 1, 3).double())
    i, j = torch.triu_indices(18, 18)
    with torch.no_grad():
        layer.quadratic.form.weight[0, :, 0, 0] = h2[i, j] * torch.where(i == j, 1, 2)
    x = noise(2, 2, 6, 5)
    close(layer.quadratic(x), outer(inner(x).square()))


def test_the_proxy_of_a_linear_network_is_its_composed_kernel():
    network = nn.Sequential(nn.Conv2d(1, 1, 3), nn.Conv2d(1, 1, 2)).double()
    proxy = proxy_kernels(network, (1, 4, 4), samples=40)
    first, second = (layer.weight[0, 0].detach() for layer in network)
    close(proxy.order1[0, 0], outer_conv(second, [first]))
    close(proxy.order0, network(torch.zeros(1, 1, 4, 4, dtype=torch.float64)).flatten())
    assert proxy.residual < 1e-12


def test_the_residual_tells_how_far_from_linear_a_network_is():
    def residual(slope):
        torch.manual_seed(0)
        layers = nn.Conv2d(2, 8, 3), nn.LeakyReLU(slope), nn.Conv2d(8, 5, 2)
        proxy = proxy_kernels(nn.Sequential(*layers).double(), (2, 4, 4), samples=200)
        assert proxy.order1.shape == (5, 2, 4, 4)
        return proxy.residual

    assert residual(1) < 1e-12 < residual(0.5) < residual(0) < 1


def test_too_few_samples_are_an_error():
    with pytest.raises(UserError, match="^samples: 32, fewer than the 33 unknowns$"):
        proxy_kernels(nn.Conv2d(2, 1, 4).double(), (2, 4, 4), samples=32)
