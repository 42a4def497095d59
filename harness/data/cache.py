"""The cache of a prepared video set: every frame and flow field as bytes, memory-mapped.

    <folder>/<first 16 digits of the key>/
        rgb.*           all videos end to end, each (frames, height, width, 3)
        flow.*          likewise, each (frames - 1, height, width, 2) of flow codes
        backward.*      likewise, where the settings ask for it: from frame t + 1 to t
        index.json      where each video lies and what it came from; written last

Each video keeps its own size. How an array lies in its files is the tier's business. While the
files grow they are called `.part`, and a journal has one line for each video whose bytes are on the
disk: the parts are cut to what the journal vouches for before more is appended, so a build can be
killed at any moment.
"""

import json
import os
from array import array
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from harness.augment.box import Box
from harness.data.integrity import FORMAT, check, read_index, seal
from harness.data.tiers import CHANNELS, TIERS
from harness.files import disk_errors, sync, write_json

KINDS = ("rgb", "flow")
Pieces = Mapping[str, Sequence[np.ndarray]]  # of each array of a video, in the order of writing


def home(folder: Path, key: str) -> Path:
    return folder / key[:16]


def kinds(settings: Mapping[str, Any]) -> tuple[str, ...]:
    """The arrays that a cache with these settings has."""
    return (*KINDS, "backward") if settings["flow"].get("backward", False) else KINDS


class Cache:
    """A finished cache, read-only.

    `key` identifies the sources and the settings, `hash` the data that came of them for good: every
    byte, and which videos were quarantined.
    `bound` is the displacement in pixels that the largest flow code stands for. `facts` tells of
    each video in `ids` what the manifest tells, `quarantined` why others are not there.
    """

    def __init__(self, place: Path, index: Mapping[str, Any]) -> None:
        self.place = place
        self.key: str = index["key"]
        self.hash: str = index["hash"]
        self.tier: str = index["tier"]
        self.bound: float = index["settings"]["flow"]["bound"]
        self.ids: list[str] = sorted(index["clips"])
        self.quarantined: dict[str, str] = index["quarantined"]
        self.facts: dict[str, dict[str, Any]] = index["clips"]
        tier = TIERS[self.tier]
        self._arrays = {
            kind: tier(place / f"{kind}{tier.suffix}", CHANNELS[kind]) for kind in index["kinds"]
        }

    @classmethod
    def is_complete(cls, folder: Path, key: str) -> bool:
        return (home(folder, key) / "index.json").exists()

    @classmethod
    def open(cls, folder: Path, key: str) -> "Cache":
        """Map the arrays of a complete cache; UserError if a file is not as it was written."""
        place = home(folder, key)
        index = read_index(place, key)
        check(place, index)
        return cls(place, index)

    def shape(self, id: str) -> tuple[int, int, int]:
        """A video's frames, height and width."""
        clip = self.facts[id]
        return clip["frames"], clip["height"], clip["width"]

    def cut(
        self, name: str, id: str, positions: np.ndarray, box: Box
    ) -> UInt8[np.ndarray, "*positions height width channels"]:
        """A copy of a box of some frames ("rgb") or fields ("flow", "backward") of a video."""
        return self._arrays[name].cut(self.facts[id][name], self._extent(name, id), positions, box)

    def rgb(self, id: str) -> UInt8[np.ndarray, "frames height width 3"]:
        """A video's frames, not to be written to."""
        return self.whole("rgb", id)

    def flow(self, id: str) -> UInt8[np.ndarray, "fields height width 2"]:
        """A video's flow codes, not to be written to; field t leads from frame t to t + 1."""
        return self.whole("flow", id)

    def whole(self, name: str, id: str) -> UInt8[np.ndarray, "frames height width channels"]:
        """One of a video's arrays, not to be written to."""
        return self._arrays[name].whole(self.facts[id][name], self._extent(name, id))

    def _extent(self, name: str, id: str) -> tuple[int, int, int]:
        frames, height, width = self.shape(id)
        return frames - (CHANNELS[name] == 2), height, width


def verify_cache(folder: Path, key: str) -> None:
    """Hash every file of a complete cache; UserError if one is not as it was written."""
    place = home(folder, key)
    check(place, read_index(place, key), thorough=True)


class Builder:
    """A cache that is being written by one process, clip after clip.

    `done` holds what is safely on the disk, by clip id, in the order of writing.
    """

    def __init__(
        self, folder: Path, key: str, *, tier: str = "raw", kinds: Sequence[str] = KINDS
    ) -> None:
        self.key, self.tier, self.kinds = key, TIERS[tier], tuple(kinds)
        self.home = home(folder, key)
        self.done: dict[str, dict[str, Any]] = {}
        # One for each image of the jpeg tier: eight bytes, where a list takes forty.
        self._lengths: dict[str, array[int]] = {kind: array("q") for kind in self.kinds}
        self._ends = dict.fromkeys(self.kinds, self.tier.header)  # bytes of the parts
        self._starts = dict.fromkeys(self.kinds, 0)
        with disk_errors(self.home):
            self.home.mkdir(parents=True, exist_ok=True)
            self._journal = self.home / "journal.jsonl"
            self._files = {kind: self.home / f"{kind}{self.tier.suffix}" for kind in self.kinds}
            self._parts = {kind: Path(f"{file}.part") for kind, file in self._files.items()}
            for kind, file in self._files.items():
                if file.exists():  # killed between the renames and the index
                    file.replace(self._parts[kind])
            self._recover()

    def append(self, id: str, entry: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
        """Write a video's arrays; a quarantined one has none, and a "reason" in its entry."""
        self.write(id, entry, {kind: self.tier.pack(array) for kind, array in arrays.items()})

    def write(self, id: str, entry: Mapping[str, Any], pieces: Pieces) -> None:
        """Write a video whose arrays the tier has packed already."""
        lengths = {kind: [len(piece) for piece in those] for kind, those in pieces.items()}
        with disk_errors(self.home):
            for kind, those in pieces.items():
                _append(self._parts[kind], those)
            line = {"id": id, "entry": dict(entry), "lengths": lengths}
            _append(self._journal, [json.dumps(line).encode() + b"\n"])
        self._note(line)

    def finish(self, settings: Mapping[str, Any], sources: Mapping[str, str]) -> None:
        """Make the cache complete: no order or interruption of the building shows in its bytes."""
        quarantined = {id: entry["reason"] for id, entry in self.done.items() if "reason" in entry}
        clips = {
            id: entry | {"sha256": sources[id]}
            for id, entry in self.done.items()
            if id not in quarantined
        }
        with disk_errors(self.home):
            files = [file for kind in self.kinds for file in self._complete(kind)]
            index = {
                "format": FORMAT,
                "key": self.key,
                "tier": next(name for name, tier in TIERS.items() if tier is self.tier),
                "kinds": self.kinds,
                "settings": dict(settings),
                "clips": clips,
                "quarantined": quarantined,
            }
            write_json(self.home / "index.json", seal(index, files))
            self._journal.unlink()

    def _complete(self, kind: str) -> list[Path]:
        file = self._parts[kind].replace(self._files[kind])
        return self.tier.complete(file, self._lengths[kind])

    def _recover(self) -> None:
        """Cut everything to the last clip that is whole."""
        for path in (self._journal, *self._parts.values()):
            path.touch()
        held = {kind: part.stat().st_size for kind, part in self._parts.items()}
        vouched = 0
        for line in self._journal.read_bytes().splitlines(keepends=True):
            if not line.endswith(b"\n"):
                break
            written = json.loads(line)
            pieces = written["lengths"].items()
            if any(self._ends[kind] + sum(lengths) > held[kind] for kind, lengths in pieces):
                break
            self._note(written)
            vouched += len(line)
        os.truncate(self._journal, vouched)
        for kind, part in self._parts.items():
            os.truncate(part, self._ends[kind])

    def _note(self, line: Mapping[str, Any]) -> None:
        starts = dict(self._starts) if line["lengths"] else {}
        self.done[line["id"]] = line["entry"] | starts
        for kind, lengths in line["lengths"].items():
            self._lengths[kind].extend(lengths)
            self._ends[kind] += sum(lengths)
            self._starts[kind] += self.tier.units(lengths)


def _append(path: Path, pieces: Sequence[Any]) -> None:
    with path.open("ab") as file:
        file.writelines(pieces)
        sync(file)
