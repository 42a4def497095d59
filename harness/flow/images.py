"""Flow that was computed elsewhere, as pairs of grey images.

As written by TSN's dense_flow, denseflow, MMAction2 and Feichtenhofer et al.; `layouts.py` says
what is looked for. A pixel is `127.5 + 127.5 * displacement / image_bound`, rounded and cut at 0
and 255, in pixels of the images themselves: where frames have another size the displacements are
rescaled with them, each axis by its own factor.

A clip of n frames has n - 1 fields. Some tools write n images of each kind and repeat the last one;
that is accepted where the last two are indeed identical.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from harness.errors import UserError
from harness.flow.layouts import exists, find

ZEROS = (127.5, 128.0)  # grey values that tools take for no motion
STEPS = 127.5  # grey values from there to the bound


class Images:
    """Reads flow images instead of computing flow.

    Args:
        folder: below it each clip has a folder of its own, named as the clip, with or without its
            class and without suffix; None: the images lie in the clip's own folder of frames.
        image_bound: the displacement that white stands for, in pixels of the images.
        zero: the grey value of no motion. 127.5 is the exact inverse of what the tools compute: of
            the two values nearest to it, 127 and 128, either is then half a step of motion, which
            is lost in our own rounding where `bound` is `image_bound`; 128 is what many readers
            subtract, and what tools write for no motion.
    """

    def __init__(
        self, *, folder: str | None = None, image_bound: float = 20.0, zero: float = 127.5
    ) -> None:
        if zero not in ZEROS:
            raise UserError(f"flow 'images': zero is {zero}; it must be 127.5 or 128")
        if image_bound <= 0:
            raise UserError(f"flow 'images': image_bound is {image_bound}; it must be more than 0")
        self.folder, self.image_bound, self.zero = folder, image_bound, zero

    def homes(self, clips: Mapping[str, Path]) -> dict[str, Path]:
        """The folder of each clip's flow images, by id, of {id: the clip's own path}."""
        if self.folder is not None:
            return homes(Path(self.folder), list(clips))
        video = next((id for id, path in clips.items() if path.is_file()), None)
        if video is not None:
            raise UserError(
                f"flow 'images' needs `folder`: {video} is a file, not a folder that may hold both "
                "frames and flow images"
            )
        return dict(clips)

    def read(
        self, home: Path, count: int, height: int, width: int
    ) -> Iterator[Float32[np.ndarray, "height width 2"]]:
        """The `count` fields of a clip, in pixels of its frames."""
        found = find(home)
        if found.problem:
            raise UserError(found.problem)
        if len(found.x) not in (count, count + 1):
            raise UserError(f"{len(found.x)} flow images of x, not {count}: one less than frames")
        pairs = list(zip(found.x, found.y, strict=True))
        if len(pairs) > count and not _repeats(*pairs[-2:]):
            raise UserError(f"{len(pairs)} flow images of x, as many as frames, all different")
        size = _grey(pairs[0][0]).shape
        for pair in pairs[:count]:
            yield self._field([_grey(path, size) for path in pair], height, width)

    def _field(
        self, planes: Sequence[np.ndarray], height: int, width: int
    ) -> Float32[np.ndarray, "height width 2"]:
        steps = np.stack(planes, axis=-1) - np.float32(self.zero)
        scales = width / steps.shape[1], height / steps.shape[0]
        if scales != (1, 1):
            shrinks = max(scales) < 1
            how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
            steps = np.asarray(cv2.resize(steps, (width, height), interpolation=how))
        return steps * np.float32(np.array(scales) * self.image_bound / STEPS)


def homes(folder: Path, ids: Sequence[str]) -> dict[str, Path]:
    """Where below `folder` the flow images of each clip are, or would be if there were any.

    A clip `Diving/v_1.avi` is looked for by that name, as `Diving/v_1` and as `v_1`; by a shorter
    name only if no other clip has the same.
    """
    names = {id: _names(id) for id in ids}
    meant = Counter(name for several in names.values() for name in several)

    def home(id: str) -> Path:
        places = [folder / name for name in names[id] if name == id or meant[name] == 1]
        return next((place for place in places if exists(place)), folder / id)

    return {id: home(id) for id in ids}


def _names(id: str) -> list[str]:
    """A clip's own name and the shorter ones that tools give its folder, each once."""
    stem = PurePosixPath(id).with_suffix("")
    return list(dict.fromkeys([id, str(stem), stem.name]))


def survey(folder: Path, ids: Sequence[str]) -> list[dict[str, Any]]:
    """What flow images there are for each clip.

    A row has "id", "layout" (a name of LAYOUTS or ""), "x" and "y" (how many images of each),
    "size" (of the first: (height, width), or None) and "problem" ("" where the clip's images can be
    read, whatever the number of its frames).
    """
    return [_row(id, home) for id, home in homes(folder, ids).items()]


def _row(id: str, home: Path) -> dict[str, Any]:
    found, size = find(home), None
    problem = found.problem
    try:
        sizes = [_grey(path).shape for path in (*found.x[:1], *found.y[:1])]
        size = sizes[0] if sizes else None
        if len(set(sizes)) > 1:
            problem = problem or f"x is {_words(sizes[0])} pixels, y {_words(sizes[1])}"
    except UserError as error:
        problem = problem or str(error)
    counts = {"x": len(found.x), "y": len(found.y)}
    return {"id": id, "layout": found.layout, **counts, "size": size, "problem": problem}


def _repeats(before: tuple[Path, Path], last: tuple[Path, Path]) -> bool:
    return all(np.array_equal(_grey(a), _grey(b)) for a, b in zip(before, last, strict=True))


def _grey(path: Path, size: tuple[int, ...] | None = None) -> UInt8[np.ndarray, "height width"]:
    """An image; UserError if it is none, or not of the size that is wanted."""
    try:
        content = np.frombuffer(path.read_bytes(), np.uint8)
    except OSError as error:
        raise UserError(f"{path.name}: {error.strerror}") from None
    image = None
    with suppress(cv2.error):  # an empty file, or too many pixels
        image = cv2.imdecode(content, cv2.IMREAD_GRAYSCALE)
    if image is None:
        raise UserError(f"{path.name} is not an image")
    if size not in (None, image.shape):
        raise UserError(f"{path.name} is {_words(image.shape)} pixels, not {_words(size)}")
    return image


def _words(size: Any) -> str:
    return " x ".join(str(side) for side in size)
