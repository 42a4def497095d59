"""The data search path: folders that may each hold some of the data sets."""

from collections.abc import Callable, Sequence
from pathlib import Path

from harness.datasets.videos import entries
from harness.errors import UserError


def find(
    roots: Sequence[Path], places: Sequence[str], accept: Callable[[Path], bool]
) -> Path | None:
    """The first `root/place` that will do; UserError where a root bars the way to it."""
    for path in (root / place for root in roots for place in places):
        try:
            if accept(path):
                return path
        except OSError as error:
            raise UserError(f"{path}: cannot be read ({error.strerror})") from error
    return None


def searched(roots: Sequence[Path], places: Sequence[str]) -> str:
    """Where `find` looked, for an error: the places, then the roots and what ails them."""
    return f"looked for {', '.join(places)} in {', '.join(map(describe, roots)) or 'no data root'}"


def describe(root: Path) -> str:
    if not root.is_dir():
        return f"{root} (no such folder)"
    return str(root) if entries(root) else f"{root} (empty)"


def inside(title: str, **options: str) -> None:
    """UserError for an option whose path leads out of the data roots."""
    for option, path in options.items():
        if Path(path).is_absolute() or ".." in Path(path).parts:
            raise UserError(f"{option}: {title}: {path!r} must lie in a data root, such as 'mine'")
