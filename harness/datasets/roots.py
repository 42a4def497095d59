"""The data search path: folders that may each hold some of the data sets."""

from collections.abc import Callable, Sequence
from pathlib import Path

from harness.errors import UserError


def find(
    roots: Sequence[Path], places: Sequence[str], accept: Callable[[Path], bool]
) -> Path | None:
    """The first `root/place` that will do."""
    candidates = (root / place for root in roots for place in places)
    return next((path for path in candidates if accept(path)), None)


def searched(roots: Sequence[Path], places: Sequence[str]) -> str:
    """Where `find` looked, for an error: the places, then the roots and what ails them."""
    return f"looked for {', '.join(places)} in {', '.join(map(describe, roots)) or 'no data root'}"


def describe(root: Path) -> str:
    if not root.is_dir():
        return f"{root} (no such folder)"
    return str(root) if any(root.iterdir()) else f"{root} (empty)"


def inside(title: str, **options: str) -> None:
    """UserError for an option whose path leads out of the data roots."""
    for option, path in options.items():
        if Path(path).is_absolute() or ".." in Path(path).parts:
            raise UserError(
                f"{title}: {option} is {path!r}; it must lie in a data root, such as 'mine'"
            )
