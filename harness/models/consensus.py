"""What the segments of a video say together.

Reference: Wang et al., "Temporal Segment Networks", ECCV 2016, section 3.1, equation 1 with the
average as consensus, https://arxiv.org/abs/1608.00859
"""

from jaxtyping import Float
from torch import Tensor


def consensus(
    scores: Float[Tensor, "samples classes"], segments: int
) -> Float[Tensor, "batch classes"]:
    """The mean over segments of class scores, before the softmax; segments vary fastest."""
    return scores.unflatten(0, (-1, segments)).mean(dim=1)
