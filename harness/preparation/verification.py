"""Every file of a data section read once more, and its cache hashed again."""

from typing import Any

from harness.data.cache import verify_cache
from harness.data.manifest import verify
from harness.data.prepare import prepared
from harness.data.sources import source_hashes
from harness.errors import UserError
from harness.places import Places
from harness.preparation.account import Preparing, Watcher
from harness.preparation.sections import DataSection


def verify_section(
    section: DataSection, places: Places, how: Preparing, watcher: Watcher
) -> tuple[list[dict[str, Any]], str]:
    """The manifest as it is found now, and what is wrong with the cache: "" if nothing is."""
    section.dataset.write(watcher.preparing)
    rows = verify(
        section.clips,
        workers=how.workers,
        progress=watcher.preparing,
        seconds_per_file=how.seconds_per_file,
    )
    source_hashes(section.clips, places.cache, watcher.preparing)  # now the cache can be found
    return section.named(rows), _damage(section, places, watcher)


def _damage(section: DataSection, places: Places, watcher: Watcher) -> str:
    try:
        known = prepared(section.clips, section.recipe, places.cache)
        if known is None:
            watcher.note(f"{section.title}: not prepared with these settings, so no cache to check")
            return ""
        verify_cache(places.cache, known.key)
    except UserError as error:
        return str(error)
    watcher.note(f"{known.place}: as it was written")
    return ""
