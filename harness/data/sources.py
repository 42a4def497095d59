"""What a cache is made from: the bytes of each clip's files, and which part of them the clip is."""

import json
import os
import stat
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from harness.data.clip import Clip, Progress
from harness.data.images import frame_files
from harness.files import digest, sha256_of, write_json
from harness.flow import layouts

Files = Callable[[Path], Sequence[Path]]


def source_hashes(clips: Sequence[Clip], folder: Path, progress: Progress) -> dict[str, Any]:
    """What tells each clip's frames, and flow that was computed elsewhere, from any other, by id.

    `folder` keeps what is remembered: a file whose path, size and time are known is not read again.
    """
    paths = {clip.id: clip.path for clip in clips}
    given = {clip.id: clip.flow for clip in clips if clip.flow is not None}
    videos = _hashes(paths, frames_of, folder / "hashes.json", progress, "videos hashed")
    flows = _hashes(given, flow_of, folder / "flow_hashes.json", progress, "flow images hashed")
    return {clip.id: _identity(clip, videos[clip.id], flows.get(clip.id)) for clip in clips}


def _identity(clip: Clip, video: str, flow: str | None) -> dict[str, Any]:
    more = {
        "declared": clip.declared,
        "span": asdict(clip.span) if clip.span else None,
        "flow": flow,
    }
    return {"sha256": video} | {key: value for key, value in more.items() if value is not None}


def _hashes(
    paths: Mapping[str, Path], files_of: Files, memory: Path, progress: Progress, what: str
) -> dict[str, str]:
    """The sha256 of each file, or the digest of a folder's; "" where there is none to read."""
    known = json.loads(memory.read_text()) if paths and memory.exists() else {}
    learned = False
    found: dict[str, str] = {}
    for id, path in paths.items():
        try:
            files, place = files_of(path), str(path.absolute())
            stamp = _stamp(path, files)
            if known.get(place, [])[:-1] != stamp:
                known[place] = [*stamp, _hash(path, files)]
                learned = True
                progress(len(found) + 1, len(paths), what)
            found[id] = known[place][-1]
        except OSError:  # decoding it will tell the reason
            found[id] = ""
    read_only = memory.parent.exists() and not os.access(memory.parent, os.W_OK)
    if learned and not read_only:
        write_json(memory, known)
    return found


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
