"""A box of each sample replaced by that of another one.

Yun et al., "CutMix: regularization strategy to train strong classifiers with localizable features",
ICCV 2019, arXiv 1905.04899. The box is the same in all frames and fields of the batch; a box that
reaches over the border is cut there, and the share is what is left.
"""

import numpy as np

from harness.augment.box import Box, Size
from harness.augment.mixing import STREAMS, Batch, Mix, with_labels
from harness.errors import UserError


def cutmix(*, alpha: float = 1.0) -> Mix:
    """A box of each sample from another one; what stays is a share from Beta(alpha, alpha)."""
    if alpha <= 0:
        raise UserError(f"alpha: must be more than 0, got {alpha}")

    def mix(batch: Batch, rng: np.random.Generator) -> Batch:
        streams = [name for name in STREAMS if name in batch]
        height, width = batch[streams[0]].shape[3:5]
        box, other = _draw((height, width), alpha, rng), rng.permutation(len(batch["label"]))
        pixels = {name: _paste(batch[name], other, box) for name in streams}
        share = 1 - box.height * box.width / (height * width)
        return with_labels(batch, pixels, other, share)

    return mix


def _draw(frame: Size, alpha: float, rng: np.random.Generator) -> Box:
    half = np.multiply(frame, np.sqrt(1 - rng.beta(alpha, alpha)) / 2).astype(int)
    centre = rng.integers(frame)
    corner = np.maximum(centre - half, 0)
    return Box.of(np.minimum(centre + half, frame) - corner, corner)


def _paste(samples: np.ndarray, other: np.ndarray, box: Box) -> np.ndarray:
    region = np.s_[..., box.top : box.bottom, box.left : box.right, :]
    mixed = samples.copy()
    mixed[region] = samples[other][region]
    return mixed
