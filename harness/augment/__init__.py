"""Augmentation: how a training sample differs from the video it is cut out of. No torch.

Everything works on uint8, channels last, with one draw for all frames and flow fields of a sample.

Contract. An entry is a callable `f(*, options)`; UserError for an option out of its range. It
returns a function that may be called any number of times and draws from the given `rng` alone:

- CROPS: `crop(frame, size, rng) -> Box`, a box inside a frame of (height, width), of which a sample
  of `size`, (height, width) too, is made: a box of another size is resized to it.
- DISTORTIONS: `distort(rng) -> Distortion`, which changes cropped frames and flow codes alike; see
  `harness/augment/distortion.py`.
- MIXES: `mix(batch, rng) -> batch` blends the samples of a batch with each other, both streams with
  one draw. A mixed batch has "label_other", (batch,) int64, and "share", (batch,) float32: the
  loss is that of "label" times share plus that of "label_other" times (1 - share).
"""

from harness.registry import Registry

CROPS = Registry(
    "crop",
    random="harness.augment.random_crop:random_crop",
    random_resized="harness.augment.random_resized_crop:random_resized_crop",
    multi_scale="harness.augment.multi_scale_crop:multi_scale_crop",
    centre="harness.augment.fixed_crops:centre_crop",
)
DISTORTIONS = Registry(
    "distortion",
    none="harness.augment.distortion:none",
    jitter="harness.augment.jitter:jitter",
    rand_augment="harness.augment.rand_augment:rand_augment",
)
MIXES = Registry(
    "mix",
    none="harness.augment.mixing:none",
    mixup="harness.augment.mixup:mixup",
    cutmix="harness.augment.cutmix:cutmix",
)
