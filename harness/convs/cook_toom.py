"""Cook-Toom: the matrices of minimal filtering F(m, r), in exact fractions.

References: Winograd, "Arithmetic Complexity of Computations", 1980; Lavin and Gray, "Fast
Algorithms for Convolutional Neural Networks", CVPR 2016, https://arxiv.org/abs/1509.09308

With points a_0 ... a_{n-2} and infinity, n = m + r - 1, an output tile y of m values is
y = A^T [(G g) * (B^T d)] for a filter g of r taps and an input tile d of n values: a correlation,
as in neural networks. Signs differ from the paper's listing of F(2, 3); the product does not.
"""

from fractions import Fraction
from functools import cache
from math import prod
from typing import NamedTuple

Matrix = list[list[Fraction]]

# Small numbers and their reciprocals, which grow rounding errors least.
POINTS = tuple(Fraction(p) for p in ("0", "1", "-1", "2", "-2", "1/2", "-1/2"))


class CookToom(NamedTuple):
    """A^T (m x n), G (n x r) and B^T (n x n)."""

    output: Matrix
    filter: Matrix
    data: Matrix


@cache
def cook_toom(m: int, r: int) -> CookToom:
    """The transforms of F(m, r); ValueError where the points do not reach.

    >>> [[str(value) for value in row] for row in cook_toom(2, 3).output]
    [['1', '1', '1', '0'], ['0', '1', '-1', '1']]
    """
    finite = m + r - 2
    if finite > len(POINTS):
        raise ValueError(f"F({m}, {r}) needs {finite} points, got {len(POINTS)}")
    points = POINTS[:finite]
    others = [[b for b in points if b != a] for a in points]
    scales = [prod((a - b for b in rest), start=Fraction(1)) for a, rest in zip(points, others)]
    # The sign of the first row is free: as usual, its filter value is positive.
    signs = [-1 if i == 0 and scale < 0 else 1 for i, scale in enumerate(scales)]

    output = [[a**i for a in points] + [Fraction(i == m - 1)] for i in range(m)]
    filter = [[sign * a**j / s for j in range(r)] for a, s, sign in zip(points, scales, signs)]
    filter.append([Fraction(j == r - 1) for j in range(r)])
    data = [[sign * c for c in [*_expand(rest), 0]] for rest, sign in zip(others, signs)]
    data.append(_expand(list(points)))
    return CookToom(output, filter, data)


def _expand(roots: list[Fraction]) -> list[Fraction]:
    """The coefficients of (x - root) ..., lowest power first."""
    coefficients = [Fraction(1)]
    for root in roots:
        shifted = [Fraction(0), *coefficients]
        coefficients = [s - root * c for s, c in zip(shifted, [*coefficients, Fraction(0)])]
    return coefficients
