"""How large a cache will be, and what that means for the form it takes: arithmetic on headers."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.data import images
from harness.data.clip import Clip
from harness.data.decode import is_folder, opened, refusals
from harness.data.resize import resized
from harness.data.space import GB, free_disk, memory
from harness.data.tiers import CHANNELS, TIERS
from harness.data.video import Unreadable
from harness.errors import UserError

SHARE = 0.5  # of the memory, and of the free disk, that a raw cache may take
MARGIN = 1.05  # of the need, that must be free on the disk


@dataclass(frozen=True)
class Extent:
    """How many frames a clip promises, and their upright size in pixels."""

    frames: int
    height: int
    width: int


NOTHING = Extent(0, 0, 0)


def probe(clip: Clip) -> Extent:
    """What the header of a clip's file says; NOTHING where it cannot be read."""
    try:
        with refusals():
            frames, height, width, fps = (_images if is_folder(clip.path) else _header)(clip.path)
    except Unreadable:  # decoding it will tell the reason
        return NOTHING
    if clip.span is not None:
        length = clip.span.after - clip.span.first
        frames = min(frames, round(length * fps) if clip.span.unit == "seconds" else round(length))
    return Extent(frames, height, width)


def _images(folder: Path) -> tuple[int, int, int, float]:
    files = images.frame_files(folder)
    height, width, _ = images.read_image(files[0]).shape if files else (0, 0, 0)
    return len(files), height, width, 0.0


def _header(path: Path) -> tuple[int, int, int, float]:
    with opened(path) as (container, stream):
        fps = float(stream.average_rate or 0)
        seconds = (stream.duration or 0) * float(stream.time_base or 0)
        seconds = seconds or (container.duration or 0) / 1e6
        frames = stream.frames or round(seconds * fps)
        frames = frames or sum(packet.size > 0 for packet in container.demux(stream))
        return frames, stream.height, stream.width, fps


@dataclass(frozen=True)
class Need:
    """How many clips and frames there are, and the bytes of their arrays."""

    clips: int
    frames: int
    raw: int

    def of(self, tier: str, kinds: Sequence[str]) -> int:
        """Bytes on the disk."""
        kept = TIERS[tier]
        return round(kept.share * self.raw) + kept.each * self.frames * len(kinds)


def need_of(extents: Iterable[Extent], resize: int | None, kinds: Sequence[str]) -> Need:
    """The arithmetic: frames x area x channels, with a field less than frames."""
    clips = frames = raw = 0
    for extent in extents:
        if extent.frames < 2:
            continue
        width, height = resized(extent.width, extent.height, resize)
        fields = sum(CHANNELS[kind] * (extent.frames - (CHANNELS[kind] == 2)) for kind in kinds)
        clips, frames, raw = clips + 1, frames + extent.frames, raw + fields * width * height
    return Need(clips, frames, raw)


def choose(need: Need, folder: Path) -> str:
    """The tier that suits: raw while training can keep it in memory."""
    return "raw" if need.raw <= _allowed(folder) else "jpeg"


def require(need: Need, tier: str, kinds: Sequence[str], folder: Path) -> str:
    """UserError unless the disk can hold it; otherwise the arithmetic in one line."""
    bytes, free = need.of(tier, kinds), free_disk(folder)
    if bytes * MARGIN > free:
        cure = "" if tier == "jpeg" else ", say `store: jpeg`"
        raise UserError(
            f"{folder}: the {tier} cache of {need.clips} clips needs {_size(bytes * MARGIN)}, and "
            f"{_size(free)} are free; free some space{cure} or choose a smaller data.resize"
        )
    limit = _allowed(folder) if tier == "raw" else free
    return (
        f"{tier} cache: {need.clips} clips, {need.frames:,} frames, "
        f"{_size(bytes)} of {_size(limit)} allowed"
    )


def _allowed(folder: Path) -> float:
    return SHARE * min(memory(), free_disk(folder))


def _size(bytes: float) -> str:
    return f"{bytes / GB:.1f} GB" if bytes >= GB else f"{bytes / 1e6:.1f} MB"
