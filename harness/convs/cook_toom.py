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

# Small numbers and their reciprocals, as in the papers.
POINTS = tuple(map(Fraction, ("0", "1", "-1", "2", "-2", "1/2", "-1/2")))
# For n = 6: powers that stay near one lower the largest error of F(4, 3) by 3 to 7 times.
NEAR_ONE = tuple(map(Fraction, ("0", "5/8", "-5/8", "3/2", "-3/2")))


class CookToom(NamedTuple):
    """A^T (m x n), G (n x r) and B^T (n x n)."""

    inverse: Matrix
    kernel: Matrix
    data: Matrix


@cache
def cook_toom(m: int, r: int, points: tuple[Fraction, ...] = POINTS) -> CookToom:
    """The transforms of F(m, r) with the first n - 1 points; ValueError where they do not reach.

    >>> [[str(value) for value in row] for row in cook_toom(2, 3).inverse]
    [['1', '1', '1', '0'], ['0', '1', '-1', '1']]
    """
    finite = m + r - 2
    if finite > len(points):
        raise ValueError(f"F({m}, {r}) needs {finite} points, got {len(points)}")
    used = list(points[:finite])
    inverse = [[a**i for a in used] + [Fraction(i == m - 1)] for i in range(m)]
    kernel, data = [], []
    for a in used:
        others = [b for b in used if b != a]
        scale = prod((a - b for b in others), start=Fraction(1))
        # The sign of a row is free in G and B^T together; as usual, G begins with a positive value.
        sign = -1 if a == 0 and scale < 0 else 1
        kernel.append([sign * a**j / scale for j in range(r)])
        data.append([sign * c for c in [*_expand(others), Fraction(0)]])
    kernel.append([Fraction(j == r - 1) for j in range(r)])
    data.append(_expand(used))
    return CookToom(inverse, kernel, data)


# Fewer outputs that a tile of m may have at the end of a map: what is left is rounded up to these.
SHORT = {2: (1,), 4: (2, 3)}


def short(outputs: int, m: int, r: int, points: tuple[Fraction, ...] = POINTS) -> CookToom:
    """F(outputs, r) for the weights of F(m, r) at its first outputs + r - 2 points and infinity.

    Their rows of G are those of F(outputs, r) but for a factor, which B^T makes up for. So a tile
    that has fewer outputs takes fewer products, with the same transformed weights.

    >>> [[str(value) for value in row] for row in short(1, 2, 3).data]
    [['1', '-1', '0'], ['0', '2', '0'], ['0', '-1', '1']]
    """
    own, whole = cook_toom(outputs, r, points), cook_toom(m, r, points)
    kernel = [*whole.kernel[: outputs + r - 2], whole.kernel[-1]]
    at_points = zip(own.kernel[:-1], kernel[:-1], strict=True)
    factors = [*(ours[0] / theirs[0] for ours, theirs in at_points), Fraction(1)]
    data = [[f * value for value in row] for f, row in zip(factors, own.data, strict=True)]
    return CookToom(own.inverse, kernel, data)


def outputs_left(outputs: int, m: int) -> int:
    """Outputs of the last tile of m along an axis, as `SHORT` rounds them up.

    >>> [outputs_left(outputs, 4) for outputs in (12, 13, 14, 15)]
    [4, 2, 2, 3]
    """
    left = outputs - (-(-outputs // m) - 1) * m
    return next(few for few in (*SHORT.get(m, ()), m) if few >= left)


def _expand(roots: list[Fraction]) -> list[Fraction]:
    """The coefficients of (x - root) ..., lowest power first."""
    coefficients = [Fraction(1)]
    for root in roots:
        times_x, constant = [Fraction(0), *coefficients], [*coefficients, Fraction(0)]
        coefficients = [t - root * c for t, c in zip(times_x, constant, strict=True)]
    return coefficients
