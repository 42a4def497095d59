"""A box of the sample's own size, anywhere in the frame: nothing is resized.

Krizhevsky et al., "ImageNet classification with deep convolutional neural networks", NIPS 2012,
section 4.1; for video, Simonyan and Zisserman, NIPS 2014, section 5.
"""

import numpy as np

from harness.augment.box import Box, Crop, Size


def random_crop() -> Crop:
    """A box of the sample's own size, anywhere in the frame."""

    def crop(frame: Size, size: Size, rng: np.random.Generator) -> Box:
        return Box.of(size, rng.integers(np.subtract(frame, size), endpoint=True))

    return crop
