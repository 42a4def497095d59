"""Whether a folder of flow images has what a data set needs, and how an experiment names it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.data.prepare import prepared
from harness.errors import UserError
from harness.flow.images import survey
from harness.places import Places
from harness.planning.values import as_yaml
from harness.preparation.sections import DataSection


def surveyed(section: DataSection, folder: Path, places: Places) -> list[dict[str, Any]]:
    """What `survey` says of each clip, and "fields", how many images of x and y there should be.

    That is known where the clip is prepared, or its annotation promises a number of frames.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder")
    lengths = _lengths(section, places)
    rows = survey(folder, [clip.id for clip in section.clips])
    for row in rows:
        row["fields"] = None if lengths[row["id"]] is None else lengths[row["id"]] - 1
        row["problem"] = row["problem"] or _miscounted(row)
    return section.named(rows)


def _lengths(section: DataSection, places: Places) -> dict[str, Any]:
    cache = prepared(section.clips, section.recipe, places.cache)
    facts = cache.facts if cache else {}
    return {clip.id: facts.get(clip.id, {}).get("frames", clip.declared) for clip in section.clips}


def _miscounted(row: dict[str, Any]) -> str:
    """Some tools repeat the last field, so that there are as many images as frames."""
    fields = row["fields"]
    if fields is None or row["x"] in (fields, fields + 1):
        return ""
    return f"{row['x']} images of x, {fields} fields expected"


def lines_for(folder: Path, roots: Sequence[Path]) -> str:
    """What to write into an experiment; a folder in a data root is named from there."""
    whole = folder.resolve()
    inside = [whole.relative_to(r.resolve()) for r in roots if whole.is_relative_to(r.resolve())]
    place = as_yaml(str(inside[0] if inside else folder))
    return f"data:\n  flow: {{name: images, folder: {place}}}"
