"""What the mixes share: which sample meets which, and how a batch says so."""

from collections.abc import Callable

import numpy as np

Batch = dict[str, np.ndarray]
Mix = Callable[[Batch, np.random.Generator], Batch]
STREAMS = ("rgb", "flow")


def none() -> Mix:
    """Samples stay apart."""
    return apart


def apart(batch: Batch, _: np.random.Generator) -> Batch:
    return batch


def with_labels(batch: Batch, pixels: Batch, other: np.ndarray, share: float) -> Batch:
    """The batch with mixed pixels; `share` of sample i is its own, the rest that of other[i]."""
    labels = {
        "label_other": batch["label"][other],
        "share": np.full(len(other), share, np.float32),
    }
    return batch | pixels | labels
