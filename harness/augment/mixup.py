"""Two samples blended into one.

Zhang et al., "mixup: beyond empirical risk minimization", ICLR 2018, arXiv 1710.09412. As in their
code, one share is drawn for the whole batch. The blend of bytes is rounded; no motion blended with
no motion is no motion.
"""

import cv2
import numpy as np

from harness.augment.mixing import STREAMS, Batch, Mix, with_labels
from harness.errors import UserError


def mixup(*, alpha: float = 0.2) -> Mix:
    """Each sample blended with another one, by a share from Beta(alpha, alpha)."""
    if alpha <= 0:
        raise UserError(f"alpha: must be more than 0, got {alpha}")

    def mix(batch: Batch, rng: np.random.Generator) -> Batch:
        share, other = rng.beta(alpha, alpha), rng.permutation(len(batch["label"]))
        pixels = {name: _blend(batch[name], other, share) for name in STREAMS if name in batch}
        return with_labels(batch, pixels, other, share)

    return mix


def _blend(samples: np.ndarray, other: np.ndarray, share: float) -> np.ndarray:
    rows, blended = samples.reshape(len(samples), -1), np.empty_like(samples)
    for row, partner, target in zip(rows, other, blended.reshape(rows.shape), strict=True):
        cv2.addWeighted(row, share, rows[partner], 1 - share, 0, dst=target)
    return blended
