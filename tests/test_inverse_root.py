"""R A R = I and the gradient of R, by both methods, down to coinciding eigenvalues."""

import pytest
import torch
from torch.nn import functional as F

from harness.convs.inverse_root import EigenRoot, newton_root

ROOTS = {
    "newton": lambda matrix: newton_root(matrix, smallest=1e-3),
    "eigen": EigenRoot.apply,
}


def gram(filters, dtype=torch.float64):
    torch.manual_seed(0)
    w = F.normalize(torch.randn(filters, 18, dtype=dtype), dim=1)
    return ((w @ w.T - 1) / 0.36).exp() + 1e-3 * torch.eye(filters, dtype=dtype)


def close(x, y, atol):
    torch.testing.assert_close(x, y, rtol=0, atol=atol)


@pytest.mark.parametrize(("dtype", "atol"), [(torch.float32, 1e-4), (torch.float64, 1e-9)])
@pytest.mark.parametrize("filters", [1, 16, 128])
@pytest.mark.parametrize("name", ROOTS)
def test_it_is_the_inverse_root(name, filters, dtype, atol):
    matrix = gram(filters, dtype)
    root = ROOTS[name](matrix)
    close(root @ matrix @ root, torch.eye(filters, dtype=dtype), atol)


@pytest.mark.parametrize("name", ROOTS)
def test_rows_that_coincide_are_kept_apart_by_the_ridge(name):
    matrix = torch.ones(64, 64, dtype=torch.float64) + 1e-3 * torch.eye(64)
    root = ROOTS[name](matrix)
    close(root @ matrix @ root, torch.eye(64, dtype=torch.float64), 1e-8)


@pytest.mark.parametrize(
    "matrix",
    [gram(4), torch.eye(3).double(), torch.ones(3, 3).double() + torch.eye(3)],
    ids=["distinct", "identity", "a pair"],
)
@pytest.mark.parametrize("name", ROOTS)
def test_the_gradient_is_right_where_eigenvalues_coincide_too(name, matrix):
    def root(half):
        return ROOTS[name]((half + half.T) / 2)

    assert torch.autograd.gradcheck(root, (matrix.clone().requires_grad_(),))
