"""Batches of samples, cut out of the cache in the process that trains.

Filling one array a batch is several times faster than loader processes, which would have to send
it through shared memory. Everything stays uint8, channels last; normalising is the model's work.
"""

from collections.abc import Iterator, Sequence
from dataclasses import KW_ONLY, dataclass
from itertools import pairwise

import numpy as np

from harness.data.box import Box
from harness.data.cache import Cache
from harness.data.clip import Clip
from harness.data.sampling import ClipSpec, even_windows, middles, random_windows
from harness.errors import UserError
from harness.flow import codes


@dataclass(frozen=True, kw_only=True)
class Cut:
    """What one sample takes of a video; the same for its frames and its flow."""

    windows: np.ndarray  # (segments, frames) positions
    box: Box
    mirrored: bool


@dataclass(eq=False, repr=False)
class Batches:
    """An iterable of dictionaries of arrays, one iteration being one epoch.

    - "rgb": (batch, segments, rgb_frames, height, width, 3) uint8, where `rgb_frames` is not 0;
    - "flow": (batch, segments, frames, height, width, 2) uint8 flow codes, where `flow`;
    - "label": (batch,) int64;
    - "video": (batch,) int64, positions in `ids`.

    In training every draw for a clip depends on seed, epoch and its position in `ids`, on nothing
    else, and a last batch of one sample joins the one before it, for batch normalisation's sake.
    In testing nothing is drawn: each video gives `views` samples, and with `mirror` each of them
    once more mirrored. Clips that the cache has quarantined are left out: `missing` counts them.

    Raises UserError if the crop does not fit into every video, or if there is none and the videos
    differ in size.
    """

    cache: Cache
    clips: Sequence[Clip]
    spec: ClipSpec
    _: KW_ONLY
    rgb_frames: int  # 0, 1 (the middle of the window) or all that the spec has
    flow: bool
    batch_size: int
    seed: int
    training: bool
    views: int = 1
    mirror: bool = False

    def __post_init__(self) -> None:
        if self.rgb_frames not in (0, 1, self.spec.frames):
            raise ValueError(f"rgb_frames: {self.rgb_frames}, not 0, 1 or {self.spec.frames}")
        cached = set(self.cache.ids)
        kept = [clip for clip in self.clips if clip.id in cached]
        self.ids = [clip.id for clip in kept]
        self.labels = np.array([clip.label for clip in kept], np.int64)
        self.missing = len(self.clips) - len(kept)
        self.epoch = 0
        self.size = self._size()

    def set_epoch(self, epoch: int) -> None:
        """The epoch that the next iteration draws for."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self._bounds())

    def __iter__(self) -> Iterator[dict[str, np.ndarray]]:
        samples = self._samples()
        for first, after in self._bounds():
            yield self._batch(samples[first:after])

    def _size(self) -> tuple[int, int]:
        """Height and width of every sample."""
        sizes = {id: self.cache.shape(id)[1:] for id in self.ids}
        smallest = min(sizes, key=lambda id: min(sizes[id]), default=None)
        if smallest is None:
            return 0, 0
        height, width = sizes[smallest]
        crop = self.spec.crop
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

    def _samples(self) -> list[tuple[int, int, bool]]:
        """Video, view and whether mirrored, in the order of the epoch."""
        if self.training:
            # One past the last clip: a stream that no clip draws from.
            rng = np.random.default_rng((self.seed, self.epoch, len(self.ids)))
            return [(int(video), 0, False) for video in rng.permutation(len(self.ids))]
        sides = (False, True) if self.mirror else (False,)
        return [
            (video, view, mirrored)
            for video in range(len(self.ids))
            for view in range(self.views)
            for mirrored in sides
        ]

    def _bounds(self) -> list[tuple[int, int]]:
        """The first sample of each batch and the one after its last."""
        repeats = 1 if self.training else self.views * (1 + self.mirror)
        samples = len(self.ids) * repeats
        edges = [*range(0, samples, self.batch_size), samples]
        if self.training and len(edges) > 2 and edges[-1] - edges[-2] == 1:
            del edges[-2]
        return list(pairwise(edges))

    def _batch(self, samples: list[tuple[int, int, bool]]) -> dict[str, np.ndarray]:
        videos = np.array([video for video, _, _ in samples], np.int64)
        batch = {"label": self.labels[videos], "video": videos}
        shape = len(samples), self.spec.segments
        if self.rgb_frames:
            batch["rgb"] = np.empty((*shape, self.rgb_frames, *self.size, 3), np.uint8)
        if self.flow:
            batch["flow"] = np.empty((*shape, self.spec.frames, *self.size, 2), np.uint8)
        for row, sample in enumerate(samples):
            cut, id = self._cut(*sample), self.ids[sample[0]]
            if self.rgb_frames:
                batch["rgb"][row] = self._frames(id, cut)
            if self.flow:
                batch["flow"][row] = self._fields(id, cut)
        return batch

    def _cut(self, video: int, view: int, mirrored: bool) -> Cut:
        frames, *size = self.cache.shape(self.ids[video])
        room = np.subtract(size, self.size)
        if not self.training:
            windows = even_windows(frames, self.spec, self.views)[view]
            return Cut(windows=windows, box=self._box(*room // 2), mirrored=mirrored)
        rng = np.random.default_rng((self.seed, self.epoch, video))
        windows = random_windows(frames, self.spec, rng)
        box = self._box(*rng.integers(room, endpoint=True))
        flip = self.spec.flip and rng.random() < 0.5
        return Cut(windows=windows, box=box, mirrored=flip)

    def _box(self, top: int, left: int) -> Box:
        height, width = self.size
        return Box(top=int(top), left=int(left), height=height, width=width)

    def _frames(self, id: str, cut: Cut) -> np.ndarray:
        chosen = cut.windows if self.rgb_frames == self.spec.frames else middles(cut.windows)
        frames = self.cache.cut("rgb", id, chosen, cut.box)
        return codes.reflect(frames) if cut.mirrored else frames

    def _fields(self, id: str, cut: Cut) -> np.ndarray:
        fields = self.cache.cut("flow", id, cut.windows, cut.box)
        return codes.mirror(fields) if cut.mirrored else fields
