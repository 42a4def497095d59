"""Batches of samples, cut out of the cache in the process that trains.

Filling one array a batch is several times faster than loader processes, which would have to send
it through shared memory. Everything stays uint8, channels last; normalising is the model's work.
"""

from collections.abc import Iterator, Sequence
from dataclasses import KW_ONLY, dataclass, field
from itertools import pairwise

import numpy as np

from harness.augment.augmentation import Augmentation
from harness.data.cache import Cache
from harness.data.clip import Clip
from harness.data.cuts import Cut, fields_of, frames_of, random_cut, sample_size
from harness.data.sampling import ClipSpec, middles
from harness.data.views import Views
from harness.errors import UserError


def require_shares(videos: int, ranks: int, *, training: bool) -> None:
    """UserError if some rank had none, or in training one, which is too few to normalise by."""
    least = 2 if training else 1
    if ranks > 1 and videos < least * ranks:
        raise UserError(
            f"train.parallel: {videos} videos to {'train' if training else 'test'} on are too few "
            f"for {ranks} ranks, which need {'two' if training else 'one'} each"
        )


@dataclass(eq=False, repr=False)
class Batches:
    """An iterable of dictionaries of arrays, one iteration being one epoch.

    - "rgb": (batch, segments, rgb_frames, height, width, 3) uint8, where `rgb_frames` is not 0;
    - "flow": (batch, segments, frames, height, width, 2) uint8 flow codes, where `flow`;
    - "label": (batch,) int64; in training, a mirrored sample has the label `mirrored[label]`;
    - "video": (batch,) int64, positions in `ids`;
    - "mirrored": (batch,) bool, whether the sample is seen in a mirror;
    - what the mix of the augmentation adds in training: see `harness/augment/__init__.py`;
    - "portion": () float32, where there are `ranks`, each of which gets every `ranks`-th sample of
      the batch from its `rank` on: its samples over those that it would have if all had as many.

    In training every draw for a clip depends on seed, epoch and its position in `ids`, every draw
    for a batch on seed, epoch and its number, and on nothing else; a last batch of one sample joins
    the one before it, for batch normalisation's sake, as does one of less than two a rank (in
    testing, one a rank). In testing nothing is drawn: each video gives
    `views`. Clips that the cache has quarantined are left out: `missing` counts them.

    Raises UserError if the crop does not fit into every video, or if there is none and the videos
    differ in size; if there are too few videos for the ranks.
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
    mirrored: Sequence[int] | None = None  # each label's in a mirror; None: nothing is mirrored
    augmentation: Augmentation = field(default_factory=Augmentation)
    views: Views = field(default_factory=Views)
    stacking: str = "forward"
    rank: int = 0
    ranks: int = 1

    def __post_init__(self) -> None:
        if self.rgb_frames not in (0, 1, self.spec.frames):
            raise ValueError(f"rgb_frames: {self.rgb_frames}, not 0, 1 or {self.spec.frames}")
        if self.mirrored is None and (self.spec.flip if self.training else self.views.mirror):
            raise ValueError("labels have no mirror image")
        cached = set(self.cache.ids)
        kept = [clip for clip in self.clips if clip.id in cached]
        self.ids = [clip.id for clip in kept]
        self.labels = np.array([clip.label for clip in kept], np.int64)
        self.missing = len(self.clips) - len(kept)
        self.epoch = 0
        self.size = sample_size(self.cache, self.ids, self.spec.crop)
        require_shares(len(self.ids), self.ranks, training=self.training)

    def set_epoch(self, epoch: int) -> None:
        """The epoch that the next iteration draws for."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self._bounds())

    def __iter__(self) -> Iterator[dict[str, np.ndarray]]:
        if not self.training:
            for first, after in self._bounds():
                cuts = [self._test_cut(index) for index in range(first, after)[self._mine]]
                yield self._share(self._batch(cuts), after - first)
            return
        order = self._rng(len(self.ids)).permutation(len(self.ids))
        for number, (first, after) in enumerate(self._bounds(), start=len(self.ids) + 1):
            videos, whole = order[first:after], self.augmentation.mixes
            drawn = videos if whole else videos[self._mine]
            batch = self._batch([self._training_cut(video) for video in drawn])
            batch = self.augmentation.mix(batch, self._rng(number))
            yield self._share(batch, len(videos))

    @property
    def _mine(self) -> slice:
        """Of a batch, the samples of this rank."""
        return slice(self.rank, None, self.ranks)

    def _share(self, batch: dict[str, np.ndarray], samples: int) -> dict[str, np.ndarray]:
        """This rank's part of a batch of so many samples, of which it may have been made whole."""
        if self.ranks == 1:
            return batch
        if len(batch["label"]) == samples:
            batch = {name: array[self._mine] for name, array in batch.items()}
        portion = len(batch["label"]) * self.ranks / samples
        return batch | {"portion": np.array(portion, np.float32)}

    def _rng(self, stream: int) -> np.random.Generator:
        """Streams of an epoch: one for each clip, then that of their order, one for each batch."""
        return np.random.default_rng((self.seed, self.epoch, stream))

    def _bounds(self) -> list[tuple[int, int]]:
        """The first sample of each batch and the one after its last."""
        samples = len(self.ids) * (1 if self.training else len(self.views))
        edges = [*range(0, samples, self.batch_size), samples]
        least = self.ranks * (2 if self.training else 1)
        if len(edges) > 2 and edges[-1] - edges[-2] < least:
            del edges[-2]
        return list(pairwise(edges))

    def _training_cut(self, video: int) -> tuple[int, Cut]:
        shape, rng = self.cache.shape(self.ids[video]), self._rng(video)
        return video, random_cut(shape, self.size, self.spec, self.augmentation, rng)

    def _test_cut(self, index: int) -> tuple[int, Cut]:
        video, view = divmod(index, len(self.views))
        shape = self.cache.shape(self.ids[video])
        return video, self.views.cut(view, shape, self.size, self.spec)

    def _batch(self, cuts: list[tuple[int, Cut]]) -> dict[str, np.ndarray]:
        videos = np.array([video for video, _ in cuts], np.int64)
        mirrored = np.array([cut.mirrored for _, cut in cuts])
        batch = {"label": self._labels(videos, mirrored), "video": videos, "mirrored": mirrored}
        shape = len(cuts), self.spec.segments
        if self.rgb_frames:
            batch["rgb"] = np.empty((*shape, self.rgb_frames, *self.size, 3), np.uint8)
        if self.flow:
            batch["flow"] = np.empty((*shape, self.spec.frames, *self.size, 2), np.uint8)
        for row, (video, cut) in enumerate(cuts):
            id, whole = self.ids[video], self.rgb_frames == self.spec.frames
            if self.rgb_frames:
                positions = cut.windows if whole else middles(cut.windows)
                batch["rgb"][row] = frames_of(self.cache, id, cut, positions)
            if self.flow:
                batch["flow"][row] = fields_of(self.cache, id, cut, self.stacking)
        return batch

    def _labels(self, videos: np.ndarray, mirrored: np.ndarray) -> np.ndarray:
        """What training is told; in testing, what the video is, however it is looked at."""
        labels = self.labels[videos]
        if not self.training or self.mirrored is None:
            return labels
        return np.where(mirrored, np.asarray(self.mirrored, np.int64)[labels], labels)
