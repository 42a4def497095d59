"""Spherical k-means.

Reference: Dhillon and Modha, "Concept Decompositions for Large Sparse Text Data Using Clustering",
Machine Learning 42, 2001, https://doi.org/10.1023/A:1007612920971
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

ITERATIONS = 100  # at most


def spherical_means(
    points: Float[Tensor, "points values"], count: int
) -> Float[Tensor, "means values"]:
    """The directions of `count` groups of unit vectors, or of every vector if there are fewer.

    One start, at points drawn by torch's generator. A group that loses all of its points keeps
    its direction.
    """
    means = points[torch.randperm(len(points))[:count].to(points.device)]
    owners: Tensor | None = None
    for _ in range(ITERATIONS if len(means) else 0):
        before, owners = owners, (points @ means.T).argmax(1)
        if before is not None and torch.equal(before, owners):
            break
        sums = torch.zeros_like(means).index_add_(0, owners, points)
        means = torch.where(sums.norm(dim=1, keepdim=True) > 0, F.normalize(sums, dim=1), means)
    return means
