"""What data sets have in common whose files are the user's: found along the data search path."""

from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import ClassVar

from harness.data.clip import Progress
from harness.datasets.roots import find, searched
from harness.errors import UserError
from harness.registry import hint


class Given:
    """A data set that is found, never written."""

    title: str
    advice: ClassVar[str] = (  # what to place where, for whoever has it elsewhere
        "the lists in annotations/{name}/ and the videos in {name}/<class>/"
    )

    def __init__(self, roots: Sequence[Path]) -> None:
        self._roots = roots

    def write(self, _progress: Progress) -> None:
        """Nothing: the videos are the user's."""

    def _find(
        self, what: str, places: Sequence[str], accept: Callable[[Path], bool] = Path.is_dir
    ) -> Path:
        """The first of the places that will do; UserError where none does."""
        found = find(self._roots, places, accept)
        if found is None:
            raise UserError(
                f"{self.title}: no {what}; {searched(self._roots, places)}; place "
                f"{self.advice.format(name=self.title)} of a folder named by --data or HARNESS_DATA"
            )
        return found

    def _require_split(self, split: str, splits: Collection[str] = ("01",)) -> None:
        if split not in splits:
            raise UserError(
                f"split: {self.title} has no split {split!r}; {hint(split, list(splits))}"
            )
