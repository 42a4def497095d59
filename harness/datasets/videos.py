"""Where listed videos lie. Folders are listed once: nobody asks after 240,000 files one by one."""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from harness.data.clip import Clip
from harness.errors import UserError

SUFFIXES = (".avi", ".gif", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm", ".wmv")


def is_video(name: str) -> bool:
    return name.lower().endswith(SUFFIXES) and not name.rpartition("/")[2].startswith(".")


def numbered_group(name: str) -> str | None:
    """What clips of one group have in common in UCF101's habit of naming, if a name follows it.

    >>> numbered_group("v_Jump_g01_c02.avi")
    'v_Jump_g01'
    """
    numbered = re.match(r".*_g\d+", name)
    return numbered[0] if numbered else None


def entries(folder: Path) -> list[os.DirEntry[str]]:
    """What lies in a folder, in the order of the names; UserError if it may not be listed."""
    try:
        with os.scandir(folder) as found:
            return sorted(found, key=lambda entry: entry.name)
    except OSError as error:
        raise UserError(f"{folder}: cannot be listed ({error.strerror})") from error


def below(folder: Path, depth: int = 1) -> dict[str, str]:
    """The paths of what lies in a folder, by name; of depth 2 also in its sub-folders, as a/b."""
    found: dict[str, str] = {}
    for entry in entries(folder):
        if depth > 1 and entry.is_dir():
            inner = below(Path(entry.path), depth - 1)
            found |= {f"{entry.name}/{name}": path for name, path in inner.items()}
        else:
            found[entry.name] = entry.path
    return found


def by_stem(found: Mapping[str, str]) -> dict[str, str]:
    """The videos among what was found, by name without folder and suffix.

    Of several that share it, the first in the order of their full names, on every machine.
    """
    names = sorted((name for name in found if is_video(name)), reverse=True)
    return {name.rpartition("/")[2].rpartition(".")[0]: found[name] for name in names}


def place(clips: Sequence[Clip], found: Mapping[str, str], described: str) -> list[Clip]:
    """Every clip with the path of its file, where its `path` was the name to be found.

    A name in another case is taken where the exact one is absent (UCF101's HandStandPushups).
    UserError if any is absent: how many of those `described`, such as "a.txt are absent from b".
    """
    folded = {name.casefold(): path for name, path in found.items()}
    wanted = {str(clip.path): clip.path for clip in clips}
    paths = {name: found.get(name) or folded.get(name.casefold()) for name in wanted}
    absent = [name for name, path in paths.items() if path is None]
    if absent:
        raise UserError(
            f"{len(absent)} of the {len(wanted)} videos in {described}, "
            f"such as {', '.join(absent[:3])}"
        )
    return [replace(clip, path=Path(path)) for clip in clips if (path := paths[str(clip.path)])]


def require_one(clips: Sequence[Clip], found: Mapping[str, str], folder: Path) -> None:
    """UserError if not one of the clips has its file among those found: a wrong folder."""
    present = set(found.values())
    if not any(str(clip.path) in present for clip in clips):
        example = f", such as {clips[0].path}" if clips else ""
        raise UserError(f"{folder}: none of {len(clips)} videos is there{example}")
