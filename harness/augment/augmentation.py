"""The augmentation of an experiment, ready to draw from."""

from dataclasses import dataclass, field

from harness.augment.box import Crop
from harness.augment.distortion import Distort
from harness.augment.distortion import none as undistorted
from harness.augment.mixing import Mix, apart
from harness.augment.mixing import none as unmixed
from harness.augment.random_crop import random_crop


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """What is drawn for each training sample (crop, distort) and for each batch (mix)."""

    crop: Crop = field(default_factory=random_crop)
    distort: Distort = field(default_factory=undistorted)
    mix: Mix = field(default_factory=unmixed)

    @property
    def mixes(self) -> bool:
        """Whether the samples of a batch depend on each other."""
        return self.mix is not apart
