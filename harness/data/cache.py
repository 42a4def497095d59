"""The cache of a prepared video set: every frame and flow field as bytes, memory-mapped.

    <folder>/<first 16 digits of the key>/
        rgb.npy         all videos end to end, each (frames, height, width, 3)
        flow.npy        likewise, each (frames - 1, height, width, 2) of flow codes
        index.json      where each video lies and what it came from; written last

Each video keeps its own size, so the arrays are flat. While they grow they are called `.part`, and
a journal has one line for each video whose bytes are on the disk: the arrays are cut to what the
journal vouches for before more is appended, so a build can be killed at any moment.
"""

import json
import os
from collections.abc import Mapping
from io import BytesIO
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from harness.data.box import Box
from harness.errors import UserError
from harness.files import digest, disk_errors, sha256_of, write_json

FORMAT = 1  # raised when the layout or the meaning of the bytes changes
CHANNELS = {"rgb": 3, "flow": 2}
HEADER = 128  # bytes of a .npy header, whatever the length of the array


def home(folder: Path, key: str) -> Path:
    return folder / key[:16]


def sizes(entry: Mapping[str, Any]) -> dict[str, int]:
    """Bytes that a video takes in each array; none if it is quarantined."""
    if "reason" in entry:
        return dict.fromkeys(CHANNELS, 0)
    frames, area = entry["frames"], entry["height"] * entry["width"]
    return {"rgb": frames * area * 3, "flow": (frames - 1) * area * 2}


class Cache:
    """A finished cache, read-only.

    `hash` identifies the data for good: sources, settings and which videos were quarantined.
    """

    def __init__(
        self, place: Path, index: Mapping[str, Any], arrays: Mapping[str, np.ndarray]
    ) -> None:
        self.place = place
        self.key: str = index["key"]
        self.hash: str = index["hash"]
        self.bound: float = index["settings"]["flow"]["bound"]
        self.ids: list[str] = sorted(index["clips"])
        self.quarantined: dict[str, str] = index["quarantined"]
        self.facts: dict[str, dict[str, Any]] = index["clips"]
        self._arrays = arrays

    @classmethod
    def is_complete(cls, folder: Path, key: str) -> bool:
        return (home(folder, key) / "index.json").exists()

    @classmethod
    def open(cls, folder: Path, key: str) -> "Cache":
        """Map the arrays of a complete cache; UserError if a file is not as it was written."""
        place = home(folder, key)
        try:
            index = json.loads((place / "index.json").read_text())
            damage = "index.json belongs to another cache" if index["key"] != key else ""
            for name in CHANNELS:
                held, written = (place / f"{name}.npy").stat().st_size, index[name]["bytes"]
                if held != written:
                    damage = f"{name}.npy holds {held} bytes, not {written}"
        except (OSError, ValueError, KeyError) as error:
            damage = f"{type(error).__name__}: {error}"
        if damage:
            raise UserError(f"{place}: damaged cache ({damage}); delete this folder and run again")
        # Plain arrays: a slice of a memmap costs eight times as much.
        maps = {name: np.load(place / f"{name}.npy", mmap_mode="r") for name in CHANNELS}
        return cls(place, index, {name: np.asarray(array) for name, array in maps.items()})

    def shape(self, id: str) -> tuple[int, int, int]:
        """A video's frames, height and width."""
        clip = self.facts[id]
        return clip["frames"], clip["height"], clip["width"]

    def cut(
        self, name: str, id: str, positions: np.ndarray, box: Box
    ) -> UInt8[np.ndarray, "*positions height width channels"]:
        """A copy of a box of some frames ("rgb") or fields ("flow") of a video."""
        whole = self.rgb(id) if name == "rgb" else self.flow(id)
        return whole[positions, box.top : box.bottom, box.left : box.right]

    def rgb(self, id: str) -> UInt8[np.ndarray, "frames height width 3"]:
        """A video's frames, a view of the file."""
        return self._view("rgb", id, self.shape(id))

    def flow(self, id: str) -> UInt8[np.ndarray, "fields height width 2"]:
        """A video's flow codes, a view of the file; field t leads from frame t to t + 1."""
        frames, height, width = self.shape(id)
        return self._view("flow", id, (frames - 1, height, width))

    def _view(self, name: str, id: str, shape: tuple[int, int, int]) -> np.ndarray:
        start, length = self.facts[id][name], prod(shape) * CHANNELS[name]
        return self._arrays[name][start : start + length].reshape(*shape, CHANNELS[name])


class Builder:
    """A cache that is being written by one process, clip after clip.

    `done` holds what is safely on the disk, by clip id, in the order of writing.
    """

    def __init__(self, folder: Path, key: str) -> None:
        self.key = key
        self.home = home(folder, key)
        self.done: dict[str, dict[str, Any]] = {}
        with disk_errors(self.home):
            self.home.mkdir(parents=True, exist_ok=True)
            self._journal = self.home / "journal.jsonl"
            self._parts = {name: self.home / f"{name}.npy.part" for name in CHANNELS}
            for name, part in self._parts.items():
                finished = self.home / f"{name}.npy"  # killed between the renames and the index
                if finished.exists():
                    finished.replace(part)
            self._recover()

    def _recover(self) -> None:
        """Cut everything to the last clip that is whole."""
        for path in (self._journal, *self._parts.values()):
            path.touch()
        held = {name: part.stat().st_size for name, part in self._parts.items()}
        ends, length = dict.fromkeys(CHANNELS, HEADER), 0
        for line in self._journal.read_bytes().splitlines(keepends=True):
            if not line.endswith(b"\n"):
                break
            entry = json.loads(line)
            after = {name: ends[name] + size for name, size in sizes(entry).items()}
            if any(after[name] > held[name] for name in CHANNELS):
                break
            self.done[entry.pop("id")] = entry
            ends, length = after, length + len(line)
        os.truncate(self._journal, length)
        for name, part in self._parts.items():
            os.truncate(part, ends[name])

    def append(self, id: str, entry: dict[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
        """Write a clip's arrays, then vouch for them; no arrays for a quarantined one."""
        with disk_errors(self.home):
            for name, array in arrays.items():
                _append(self._parts[name], np.ascontiguousarray(array).data)
            _append(self._journal, json.dumps({"id": id} | entry).encode() + b"\n")
        self.done[id] = entry

    def finish(self, settings: Mapping[str, Any], sources: Mapping[str, str]) -> None:
        """Make the cache complete: its bytes are a function of the sources and the settings."""
        quarantined = {id: entry["reason"] for id, entry in self.done.items() if "reason" in entry}
        clips, ends = {}, dict.fromkeys(CHANNELS, 0)
        for id, entry in self.done.items():
            if id not in quarantined:
                clips[id] = entry | ends | {"sha256": sources[id]}
                ends = {name: ends[name] + size for name, size in sizes(entry).items()}
        with disk_errors(self.home):
            arrays = {name: self._complete(name, length) for name, length in ends.items()}
            index = {
                "key": self.key,
                "hash": digest({"key": self.key, "quarantined": sorted(quarantined)}),
                "settings": dict(settings),
                "clips": clips,
                "quarantined": quarantined,
            }
            write_json(self.home / "index.json", index | arrays)
            self._journal.unlink()

    def _complete(self, name: str, length: int) -> dict[str, Any]:
        header = BytesIO()
        np.lib.format.write_array_header_1_0(
            header, {"descr": "|u1", "fortran_order": False, "shape": (length,)}
        )
        if len(header.getvalue()) != HEADER:
            raise RuntimeError(f"numpy wrote a header of {len(header.getvalue())} bytes")
        with self._parts[name].open("r+b") as file:
            file.write(header.getvalue())
            file.flush()
            os.fsync(file.fileno())
        final = self._parts[name].replace(self.home / f"{name}.npy")
        return {"bytes": HEADER + length, "sha256": sha256_of(final)}


def _append(path: Path, content: bytes | memoryview) -> None:
    with path.open("ab") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
