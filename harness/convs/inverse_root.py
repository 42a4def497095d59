"""The inverse square root of a symmetric positive matrix, with its gradient.

References: Higham, "Functions of Matrices", SIAM 2008, section 6.7 (the coupled Newton iteration,
as in Jones, Roulet and Harchaoui, https://arxiv.org/abs/1903.08131) and section 3.2 (the derivative
of a function of a symmetric matrix, by divided differences).
"""

from math import ceil, log
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor


def newton_root(matrix: Float[Tensor, "n n"], *, smallest: float) -> Float[Tensor, "n n"]:
    """By coupled Newton iterations: matrix products alone.

    Entries are 1 at most, beside a ridge of `smallest`. The authors take 20 iterations; here there
    are as many as an eigenvalue of `smallest` needs: once the matrix is normalised it grows by
    9 / 4 in each, and six more bring it to 1.
    """
    n = len(matrix)
    identity = torch.eye(n, dtype=matrix.dtype, device=matrix.device)
    norm = torch.linalg.matrix_norm(matrix)
    root, inverse = matrix / norm, identity
    for _ in range(ceil(log(n * (1 + smallest) / smallest) / log(9 / 4)) + 6):
        step = 1.5 * identity - 0.5 * inverse @ root
        root, inverse = root @ step, step @ inverse
    return inverse / norm.sqrt()


class EigenRoot(torch.autograd.Function):
    """By eigenvectors.

    Their own gradient is infinite where eigenvalues coincide; that of the root is not.
    """

    @staticmethod
    def forward(ctx: Any, matrix: Float[Tensor, "n n"]) -> Float[Tensor, "n n"]:
        values, vectors = torch.linalg.eigh(matrix)
        roots = values.sqrt()
        ctx.save_for_backward(roots, vectors)
        return (vectors / roots) @ vectors.T

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        """In eigenvectors, (a^-1/2 - b^-1/2) / (a - b) = -1 / (sqrt a sqrt b (sqrt a + sqrt b))."""
        roots, vectors = ctx.saved_tensors
        slopes = -1 / (roots * roots[:, None] * (roots + roots[:, None]))
        return vectors @ (slopes * (vectors.T @ gradients[0] @ vectors)) @ vectors.T
