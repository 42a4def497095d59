"""What a cache is made from: the bytes of each clip's file, and which part of it the clip is."""

import json
import os
import stat
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from harness.data.clip import Clip, Progress
from harness.data.images import frame_files
from harness.files import digest, sha256_of, write_json


def hashes(clips: Sequence[Clip], memory: Path, progress: Progress) -> dict[str, str]:
    """The sha256 of each clip's file, by id, or "" where there is none to read.

    A folder's is the digest of the names and hashes of its frames. A file whose path, size and time
    are remembered is not read again.
    """
    known = json.loads(memory.read_text()) if memory.exists() else {}
    learned = False
    found: dict[str, str] = {}
    for clip in clips:
        try:
            files, path = _files(clip.path), str(clip.path.absolute())
            stamp = _stamp(files)
            if known.get(path, [])[:-1] != stamp:
                known[path] = [*stamp, _hash(clip.path, files)]
                learned = True
                progress(len(found) + 1, len(clips), "videos hashed")
            found[clip.id] = known[path][-1]
        except OSError:  # decoding it will tell the reason
            found[clip.id] = ""
    read_only = memory.parent.exists() and not os.access(memory.parent, os.W_OK)
    if learned and not read_only:
        write_json(memory, known)
    return found


def identity(clip: Clip, sha256: str) -> Any:
    """All that tells one clip's frames from another's, for the key of a cache."""
    if clip.span is None and clip.declared is None:
        return sha256
    return [sha256, clip.declared, asdict(clip.span) if clip.span else None]


def size(path: Path) -> int:
    """Bytes of a file, or of the frames in a folder; OSError where there is neither."""
    return _stamp(_files(path))[0]


def hash_of(path: Path) -> str:
    """The sha256 of a file, or the digest of the frames in a folder."""
    return _hash(path, _files(path))


def _files(path: Path) -> list[Path]:
    mode = path.stat().st_mode
    if stat.S_ISDIR(mode):
        return frame_files(path)
    if not stat.S_ISREG(mode):
        raise OSError("neither a file nor a folder")  # reading a pipe would wait for ever
    return [path]


def _stamp(files: Sequence[Path]) -> list[Any]:
    """Their bytes in all, and what changes when one of them is written to or renamed."""
    stats = [(file.name, file.stat()) for file in files]
    seen = [[name, stat.st_size, stat.st_mtime_ns] for name, stat in stats]
    return [sum(stat.st_size for _, stat in stats), digest(seen)]


def _hash(path: Path, files: Sequence[Path]) -> str:
    if files == [path]:
        return sha256_of(path)
    return digest([[file.name, sha256_of(file)] for file in sorted(files)])
