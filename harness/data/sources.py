"""What a cache is made from: the bytes of each clip's files, and which part of them the clip is."""

import json
import stat
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from harness.data.clip import Clip, Progress
from harness.data.images import frame_files
from harness.errors import UserError
from harness.files import append_json, digest, sha256_of
from harness.flow import layouts

Files = Callable[[Path], Sequence[Path]]


class Memory:
    """Hashes that are remembered in a file: who knows path, size and time need not read again.

    Each is appended as a line of JSON as soon as it is known, so an interruption costs none of
    them, nor do other processes that learn at the same time; the last line of a path counts. It
    only saves time: a line that cannot be read or written is done without.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self._known = _entries(file)

    def recall(self, path: Path, files: Sequence[Path]) -> str | None:
        stamp, found = self._known.get(str(path.absolute()), (None, None))
        return found if stamp == _stamp(path, files) else None

    def learn(self, path: Path, files: Sequence[Path]) -> str:
        stamp, found = _stamp(path, files), _hash(path, files)
        if stamp == _stamp(path, files):  # else it changed while it was read
            self._remember(str(path.absolute()), stamp, found)
        return found

    def _remember(self, path: str, stamp: list[Any], found: str) -> None:
        self._known[path] = stamp, found
        with suppress(OSError, UserError):
            self.file.parent.mkdir(parents=True, exist_ok=True)
            append_json(self.file, {"path": path, "stamp": stamp, "hash": found})


def _entries(file: Path) -> dict[str, tuple[Any, str]]:
    """The stamp and hash of each path; a torn line holds none."""
    known = {}
    with suppress(OSError):
        for line in file.read_bytes().splitlines():
            with suppress(ValueError, TypeError, KeyError):
                entry = json.loads(line)
                known[entry["path"]] = entry["stamp"], entry["hash"]
    return known


def source_hashes(clips: Sequence[Clip], folder: Path, progress: Progress) -> dict[str, Any]:
    """What tells each clip's frames, and flow that was computed elsewhere, from any other, by id.

    `folder` keeps what is remembered. A sha256 is "" where there is nothing to read.
    """
    found = {}
    for kind, (paths, files_of, memory) in _kinds(clips, folder).items():
        hashes = found[kind] = dict.fromkeys(paths, "")
        for done, (id, path) in enumerate(paths.items(), start=1):
            with suppress(OSError):  # decoding it will tell the reason
                files = files_of(path)
                known = memory.recall(path, files)
                hashes[id] = known or memory.learn(path, files)
                if known is None:
                    progress(done, len(paths), f"{kind} hashed")
    return _identities(clips, found)


def remembered_hashes(clips: Sequence[Clip], folder: Path) -> dict[str, Any] | None:
    """The same without reading any file; None if one had to be read."""
    found: dict[str, dict[str, str]] = {}
    for kind, (paths, files_of, memory) in _kinds(clips, folder).items():
        found[kind] = dict.fromkeys(paths, "")
        for id, path in paths.items():
            with suppress(OSError):
                known = memory.recall(path, files_of(path))
                if known is None:
                    return None
                found[kind][id] = known
    return _identities(clips, found)


def _kinds(clips: Sequence[Clip], folder: Path) -> dict[str, tuple[dict[str, Path], Files, Memory]]:
    videos = {clip.id: clip.path for clip in clips}
    flows = {clip.id: clip.flow for clip in clips if clip.flow is not None}
    return {
        "videos": (videos, frames_of, Memory(folder / "hashes.jsonl")),
        "flow images": (flows, flow_of, Memory(folder / "flow_hashes.jsonl")),
    }


def _identities(
    clips: Sequence[Clip], found: Mapping[str, Mapping[str, str]]
) -> dict[str, dict[str, Any]]:
    def identity(clip: Clip) -> dict[str, Any]:
        more = {
            "declared": clip.declared,
            "span": asdict(clip.span) if clip.span else None,
            "flow": found["flow images"].get(clip.id),
        }
        known = {key: value for key, value in more.items() if value is not None}
        return {"sha256": found["videos"][clip.id]} | known

    return {clip.id: identity(clip) for clip in clips}


def size(path: Path) -> int:
    """Bytes of a file, or of the frames in a folder; OSError where there is neither."""
    return sum(file.stat().st_size for file in frames_of(path))


def hash_of(path: Path) -> str:
    """The sha256 of a file, or the digest of the frames in a folder."""
    return _hash(path, frames_of(path))


def frames_of(path: Path) -> list[Path]:
    """The file itself, or the images of a folder; OSError where it is neither."""
    mode = path.stat().st_mode
    if stat.S_ISDIR(mode):
        return frame_files(path)
    if not stat.S_ISREG(mode):
        raise OSError("neither a file nor a folder")  # reading a pipe would wait for ever
    return [path]


def flow_of(home: Path) -> list[Path]:
    """The flow images of a folder."""
    found = layouts.find(home)
    return [*found.x, *found.y]


def _stamp(path: Path, files: Sequence[Path]) -> list[Any]:
    """What is compared to tell whether a file, or any in a folder, has changed or has moved."""
    facts = [(file.name, (stat := file.stat()).st_size, stat.st_mtime_ns) for file in files]
    return list(facts[0][1:]) if files == [path] else [digest(facts)]


def _hash(path: Path, files: Sequence[Path]) -> str:
    if files == [path]:
        return sha256_of(path)
    return digest([[file.name, sha256_of(file)] for file in sorted(files)])
