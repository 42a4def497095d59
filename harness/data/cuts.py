"""What one sample takes of a video, the same for its frames and its flow."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import UInt8

from harness.augment.augmentation import Augmentation
from harness.augment.box import Box, Size
from harness.augment.distortion import Distortion
from harness.augment.resize import resize_fields, resize_frames
from harness.data.cache import Cache
from harness.data.sampling import ClipSpec, random_windows
from harness.errors import UserError
from harness.flow import codes
from harness.flow.stacks import bidirectional, trajectory


@dataclass(frozen=True, kw_only=True)
class Cut:
    """A box of the frames in `windows`, resized to `size`, perhaps mirrored, then distorted."""

    windows: np.ndarray  # (segments, frames) positions
    box: Box
    size: Size
    mirrored: bool
    distortion: Distortion = field(default_factory=Distortion)

    def frames(self, boxed: UInt8[np.ndarray, "frames _ _ 3"]) -> UInt8[np.ndarray, "frames _ _ 3"]:
        """Frames, already cut to the box, as the sample shows them."""
        if self.box.size != self.size:
            boxed = resize_frames(boxed, self.size)
        return self.distortion.frames(codes.reflect(boxed) if self.mirrored else boxed)

    def fields(self, boxed: UInt8[np.ndarray, "frames _ _ 2"]) -> UInt8[np.ndarray, "frames _ _ 2"]:
        """Flow codes, already cut to the box: the motion of what `frames` shows."""
        if self.box.size != self.size:
            boxed = resize_fields(boxed, self.size)
        return self.distortion.fields(codes.mirror(boxed) if self.mirrored else boxed)


def random_cut(
    shape: tuple[int, int, int],
    size: Size,
    spec: ClipSpec,
    augmentation: Augmentation,
    rng: np.random.Generator,
) -> Cut:
    """A training sample of a video of `shape`, (frames, height, width)."""
    windows = random_windows(shape[0], spec, rng)
    box = augmentation.crop(shape[1:], size, rng)
    mirrored = spec.flip and bool(rng.random() < 0.5)
    distortion = augmentation.distort(rng)
    return Cut(windows=windows, box=box, size=size, mirrored=mirrored, distortion=distortion)


def frames_of(
    cache: Cache, id: str, cut: Cut, positions: np.ndarray
) -> UInt8[np.ndarray, "segments frames height width 3"]:
    """The frames at some of the positions of a cut."""
    boxed = cache.cut("rgb", id, positions.ravel(), cut.box)
    return cut.frames(boxed).reshape(*positions.shape, *cut.size, 3)


def fields_of(
    cache: Cache, id: str, cut: Cut, stacking: str
) -> UInt8[np.ndarray, "segments frames height width 2"]:
    """The flow of a cut, stacked as `data.flow.stacking` says: a field a position."""
    boxed = STACKINGS[stacking](cache, id, cut)
    return cut.fields(boxed).reshape(*cut.windows.shape, *cut.size, 2)


def _forward(cache: Cache, id: str, cut: Cut) -> UInt8[np.ndarray, "frames _ _ 2"]:
    return cache.cut("flow", id, cut.windows.ravel(), cut.box)


def _bidirectional(cache: Cache, id: str, cut: Cut) -> UInt8[np.ndarray, "frames _ _ 2"]:
    ahead, behind = bidirectional(cut.windows)
    parts = [cache.cut("flow", id, ahead, cut.box), cache.cut("backward", id, behind, cut.box)]
    return np.concatenate(parts, axis=1).reshape(-1, *cut.box.size, 2)


def _trajectory(cache: Cache, id: str, cut: Cut) -> UInt8[np.ndarray, "frames _ _ 2"]:
    """Paths lead out of the box, so they are followed through whole fields."""
    whole = Box.of(cache.shape(id)[1:], (0, 0))
    paths = [trajectory(cache.cut("flow", id, w, whole), cache.bound) for w in cut.windows]
    box = cut.box
    return np.concatenate(paths)[:, box.top : box.bottom, box.left : box.right]


STACKINGS = {"forward": _forward, "bidirectional": _bidirectional, "trajectory": _trajectory}


def sample_size(cache: Cache, ids: Sequence[str], crop: int | None) -> Size:
    """Height and width of every sample: the crop, or the whole frame that all videos share."""
    sizes = {id: cache.shape(id)[1:] for id in ids}
    smallest = min(sizes, key=lambda id: min(sizes[id]), default=None)
    if smallest is None:
        return 0, 0
    height, width = sizes[smallest]
    if crop is None:
        if len(set(sizes.values())) > 1:
            raise UserError(
                "data.clip.crop: none, but the videos differ in size; "
                f"set it to {min(height, width)} or less ({smallest} is {height} x {width})"
            )
        return height, width
    if crop > min(height, width):
        raise UserError(f"data.clip.crop: {crop}, but {smallest} is {height} x {width} pixels")
    return crop, crop
