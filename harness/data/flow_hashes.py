"""What flow that was computed elsewhere is made of: a part of the cache's key."""

import json
from collections.abc import Sequence
from pathlib import Path

from harness.data.clip import Clip, Progress
from harness.files import digest, write_json
from harness.flow.images import fingerprint
from harness.flow.layouts import find


def flow_hashes(clips: Sequence[Clip], memory: Path, progress: Progress) -> dict[str, str]:
    """The sha256 of each clip's flow images, by id; nothing for clips whose flow is computed.

    Images whose names, sizes and times are remembered are not read again.
    """
    given = {clip.id: clip.flow for clip in clips if clip.flow is not None}
    known = json.loads(memory.read_text()) if given and memory.exists() else {}
    learned = False
    for done, home in enumerate(given.values(), start=1):
        place, stamp = str(home.absolute()), _stamp(home)
        if known.get(place, [""])[0] != stamp:
            known[place] = [stamp, fingerprint(home)]
            learned = True
            progress(done, len(given), "flow images hashed")
    if learned:
        write_json(memory, known)
    return {id: known[str(home.absolute())][1] for id, home in given.items()}


def _stamp(home: Path) -> str:
    found = find(home)
    stats = [(path.name, path.stat()) for path in (*found.x, *found.y)]
    return digest([(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats])
