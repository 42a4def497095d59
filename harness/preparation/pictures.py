"""Clips of a data section as they are trained on: from its cache, or decoded here and now."""

from collections.abc import Sequence
from pathlib import PurePosixPath

import numpy as np

from harness.data.cache import Cache
from harness.data.clip import Clip
from harness.data.decode import decode
from harness.data.prepare import prepared
from harness.data.sheet import Picture
from harness.data.video import Unreadable
from harness.errors import UserError
from harness.flow import codes
from harness.flow.fields import fields
from harness.places import Places
from harness.preparation.sections import DataSection
from harness.registry import hint


def pictures(section: DataSection, name: str | None, places: Places) -> list[Picture]:
    """Of the clip that is named, or of the first readable one of each class.

    Raises UserError for a clip that is not there, or cannot be read.
    """
    cache = prepared(section.clips, section.recipe, places.cache)
    if name is not None:
        return [_picture(chosen(section.clips, name), section, cache)]
    quarantined = cache.quarantined if cache else {}
    first: dict[int, Clip] = {}
    for clip in section.clips:
        if clip.id not in quarantined and clip.path.exists():
            first.setdefault(clip.label, clip)
    return [_picture(first[label], section, cache) for label in sorted(first)]


def chosen(clips: Sequence[Clip], name: str) -> Clip:
    """The clip of that id, or the only one whose id has the name as a part."""
    found = [c for c in clips if c.id == name] or [c for c in clips if name in c.id]
    if len(found) == 1:
        return found[0]
    if found:
        listed = ", ".join(clip.id for clip in found[:3])
        raise UserError(f"clip {name!r}: {len(found)} clips have that in their id: {listed}, ...")
    stems = {PurePosixPath(clip.id).stem: clip.id for clip in clips}
    near = hint(name, {**stems, **dict.fromkeys(stems.values(), "")})
    raise UserError(f"no clip {name!r}; {near.partition(' (allowed')[0][:200]}")


def _picture(clip: Clip, section: DataSection, cache: Cache | None) -> Picture:
    bound = section.recipe.flow.bound
    if cache is not None and clip.id in cache.quarantined:
        raise UserError(f"{clip.id}: quarantined: {cache.quarantined[clip.id]}")
    if cache is not None:
        frames, flow = cache.rgb(clip.id), cache.flow(clip.id)
        rate = cache.facts[clip.id].get("fps")
    else:
        frames, flow, rate = _decoded(clip, section)
    return Picture(
        frames=frames,
        flow=codes.decode(flow, bound),
        caption=_caption(clip, section, frames, rate),
    )


def _decoded(clip: Clip, section: DataSection) -> tuple[np.ndarray, np.ndarray, float]:
    try:
        video = decode(clip.path, section.recipe.resize, span=clip.span, declared=clip.declared)
    except Unreadable as reason:
        raise UserError(f"{clip.id}: {reason}") from None
    return video.frames, fields(video.frames, section.recipe.flow, clip.flow)["flow"], video.fps


def _caption(
    clip: Clip, section: DataSection, frames: np.ndarray, rate: float | None
) -> tuple[str, str]:
    count, height, width, _ = frames.shape
    settings = section.recipe.flow.settings()
    options = ", ".join(f"{key} {value}" for key, value in settings["options"].items())
    rated = f", {rate:.4g} fps" if rate else ""
    return (
        f"{clip.id}   class {section.dataset.classes[clip.label]}",
        f"{width} x {height}, {count} frames{rated}   flow {settings['name']} ({options}), "
        f"bound {settings['bound']:g} px",
    )
