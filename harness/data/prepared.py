"""The cache of a set of clips if there is one, without reading any video."""

import json
from collections.abc import Sequence
from pathlib import Path

from harness.data.cache import Cache
from harness.data.clip import Clip
from harness.data.prepare import Recipe
from harness.files import digest


def prepared(clips: Sequence[Clip], recipe: Recipe, folder: Path) -> Cache | None:
    """The complete cache; None also where a file has changed since it was hashed."""
    memory = folder / "hashes.json"
    known = json.loads(memory.read_text()) if memory.exists() else {}
    sources = {}
    for clip in clips:
        try:
            stat = clip.path.stat()
        except OSError:
            sources[clip.id] = ""
            continue
        *stamp, sha256 = known.get(str(clip.path.absolute()), [None])
        if stamp != [stat.st_size, stat.st_mtime_ns]:
            return None
        sources[clip.id] = sha256
    key = digest(recipe.settings() | {"sources": sources})
    return Cache.open(folder, key) if Cache.is_complete(folder, key) else None
