"""Where tools put flow images, and in which order: an image of x and one of y for each field.

Numbers start at 0 (denseflow) or 1 (TSN's dense_flow, MMAction2, Feichtenhofer's release).
"""

import re
from dataclasses import dataclass
from pathlib import Path

# What comes before the number of an image, for x and for y. `home` is the clip's folder, which the
# last layout, that of Feichtenhofer's release, divides: u/<clip>/ and v/<clip>/.
LAYOUTS = {
    "flow_x_00001.jpg": ("{home}/flow_x_", "{home}/flow_y_"),
    "x_00001.jpg": ("{home}/x_", "{home}/y_"),
    "u/frame000001.jpg": ("{home}/u/frame", "{home}/v/frame"),
    "u/<clip>/frame000001.jpg": ("{parent}/u/{name}/frame", "{parent}/v/{name}/frame"),
}
NUMBER = re.compile(r"(\d+)\.(jpe?g|png)", re.IGNORECASE)
BESIDE_FRAMES = tuple(
    prefix.removeprefix("{home}/")
    for prefixes in LAYOUTS.values()
    for prefix in prefixes
    if prefix.startswith("{home}/") and prefix.count("/") == 1
)


@dataclass(frozen=True, kw_only=True)
class Found:
    """The flow images of a clip, in order, and what is wrong with them: "" if nothing is."""

    layout: str = ""
    x: tuple[Path, ...] = ()
    y: tuple[Path, ...] = ()
    problem: str = ""


def is_flow(name: str) -> bool:
    """Whether a file of a clip's own folder is a flow image, as its name tells, and no frame."""
    starts = [start for start in BESIDE_FRAMES if name.startswith(start)]
    return name.startswith("flow_") or any(NUMBER.fullmatch(name, len(start)) for start in starts)


def exists(home: Path) -> bool:
    """Whether a clip's flow images may be looked for there."""
    return home.is_dir() or (home.parent / "u" / home.name).is_dir()


def find(home: Path) -> Found:
    """The images of the first layout that has any."""
    words = {"home": home, "parent": home.parent, "name": home.name}
    for layout, prefixes in LAYOUTS.items():
        try:
            x, y = (_numbered(Path(prefix.format(**words))) for prefix in prefixes)
        except OSError as error:
            return Found(problem=f"flow images: {error.strerror}")
        if x or y:
            ordered = [tuple(path for _, path in sorted(pairs)) for pairs in (x, y)]
            numbers = [sorted(number for number, _ in pairs) for pairs in (x, y)]
            problem = _problem(*numbers)
            return Found(layout=layout, x=ordered[0], y=ordered[1], problem=problem)
    return Found(problem=f"no flow images; looked for {', '.join(LAYOUTS)}")


def _numbered(prefix: Path) -> list[tuple[int, Path]]:
    """The images whose names are the prefix and a number."""
    folder, start = prefix.parent, prefix.name
    names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    ends = {name: NUMBER.fullmatch(name, len(start)) for name in names if name.startswith(start)}
    return [(int(end[1]), folder / name) for name, end in ends.items() if end]


def _problem(x: list[int], y: list[int]) -> str:
    if x != y:
        return f"{len(x)} flow images of x and {len(y)} of y, or other numbers"
    if x[0] > 1:
        return f"the first flow image has the number {x[0]}, not 0 or 1"
    if x != list(range(x[0], x[0] + len(x))):
        return f"the numbers of the {len(x)} flow images from {x[0]} to {x[-1]} have gaps or repeat"
    return ""
