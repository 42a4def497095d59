"""Mirroring one plan: which cells are missing in W&B, and what happens when W&B fails.

A failure costs that run its place in W&B until the next attempt, and is told once. Online, it
ends the connection: all that follows is written offline, to be sent by `harness sync`.
"""

import sys
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from harness.cell import Cell
from harness.errors import UserError
from harness.files import digest
from harness.mirror.marker import Marker, marker_of
from harness.mirror.media import Media, Overview, media
from harness.mirror.replay import Run, announced, cell_of, epochs_of, replay, run_id
from harness.mirror.wandb_runs import Mode, Writer
from harness.places import Places
from harness.results.store import finished_cells, load

ATTEMPTS = 2  # at one run: the second has a new service, or is offline
FAILURES_IN_A_ROW = 4  # after which the rest is left for `harness sync`


class Session:
    """The one writer of a plan's runs in W&B. `note` is told what a person should know, once."""

    def __init__(
        self, plan: Path, writer: Writer, places: Places, note: Callable[[str], None],
        *, mode: Mode = "offline", media: Sequence[str] = (),
    ) -> None:  # fmt: skip
        self.plan, self.writer, self.places, self.note = plan, writer, places, note
        self.mode, self.media = mode, tuple(media)
        self._open: dict[str, Any] = {}  # runs of cells that are being trained, by key
        self._noted: set[str] = set()
        self._failures = 0  # in a row
        self.trouble = ""  # why a run could not be written

    def begin(self, cell: Cell) -> None:
        """Open the run of a cell whose training starts; offline, all is written at its end.

        A training that is tried again goes on with its run.
        """
        if self.mode == "online" and cell.key not in self._open:
            self._attempt(lambda: self._begin(cell))

    def follow(self, key: str) -> None:
        """Log the epochs that an open run has not been told."""
        if key in self._open:
            log = self.plan / key / "log.jsonl"
            self._attempt(lambda: self.writer.log(self._open[key], epochs_of(log)))

    def finish(self, folder: Path) -> None:
        """Have the run of a finished cell in W&B, whole; once is enough."""
        self._persist(lambda: self._finish(folder))

    def catch_up(self, folders: Sequence[Path], progress: Callable[[int, int], None]) -> None:
        """The same for many, however often W&B failed before."""
        self._failures = 0
        for number, folder in enumerate(folders, start=1):
            self.finish(folder)
            progress(number, len(folders))

    def overview(self, board: Overview) -> None:
        """One run with the board and how many cells came to which end."""
        if not self.has_overview():
            self._persist(lambda: self._overview(board))

    def leave(self) -> None:
        """Runs that are still open belong to trainings that were stopped and will go on."""
        for handle in list(self._open.values()):
            self._attempt(partial(self.writer.leave, handle))
        self._open.clear()

    def is_missing(self, folder: Path) -> bool:
        """Whether the folder holds what W&B does not; a damaged record is found out later."""
        try:
            return not self._is_current(folder, replay(folder))
        except UserError:
            return True

    def has_overview(self) -> bool:
        marker = marker_of(self.plan)
        if marker is None or marker.sha256 != digest(self._ends()):
            return False
        return marker.stands(self.plan)

    def _begin(self, cell: Cell) -> None:
        self._open[cell.key] = self.writer.begin(announced(cell), self.mode)

    def _finish(self, folder: Path) -> None:
        run = replay(folder)
        handle = self._open.pop(folder.name, None)
        if handle is None and self._is_current(folder, run):
            return
        pictures = self._media(folder)
        if handle is None:
            where = self.writer.write(run, self.mode, pictures or {})
        else:
            where = self.writer.finish(handle, run, pictures or {})
        self._mark(folder, run, where, () if pictures is None else self.media)

    def _overview(self, board: Overview) -> None:
        ends = self._ends()
        counts = Counter(status for _, status, _ in ends)
        run = Run(
            id=run_id(self.plan.name, "overview"),
            name=f"{self.plan.name} overview",
            group=self.plan.name,
            job_type="overview",
            summary={**dict.fromkeys(("done", "failed", "pruned"), 0), **counts},
            sha256=digest(ends),
        )
        self._mark(self.plan, run, self.writer.write(run, self.mode, {"board": board}))

    def _ends(self) -> list[tuple[str, str, str]]:
        """What an overview tells of: each cell, what came of it, and of which files."""
        markers = {folder.name: marker_of(folder) for folder in finished_cells(self.plan)}
        return [(key, m.status, m.sha256) for key, m in sorted(markers.items()) if m is not None]

    def _is_current(self, folder: Path, run: Run) -> bool:
        marker = marker_of(folder)
        if marker is None or marker.sha256 != run.sha256:
            return False
        return marker.stands(self.plan) and set(self.media) <= set(marker.media)

    def _mark(self, folder: Path, run: Run, where: str, media: tuple[str, ...] = ()) -> None:
        Marker(
            id=run.id,
            mode=self.mode,
            sha256=run.sha256,
            directory=where,
            status=str(run.summary.get("status", "")),
            media=media,
            sent=self.mode == "online",
        ).write(folder)

    def _media(self, folder: Path) -> Media | None:
        """None if they cannot be made any more: the run is written without them."""
        if not self.media:
            return {}
        try:
            return media(self.media, folder, cell_of(load(folder / "record.json")), self.places)
        except UserError as error:
            self._tell(f"W&B: no pictures: {error}")
            return None

    def _persist(self, work: Callable[[], None]) -> None:
        """Twice at most, and not at all where W&B failed again and again."""
        for _ in range(ATTEMPTS):
            if self._failures >= FAILURES_IN_A_ROW or self._attempt(work):
                return

    def _attempt(self, work: Callable[[], None]) -> bool:
        """Whether it went well; if not, the next attempt starts with a new service."""
        try:
            work()
        except UserError as error:
            self._tell(f"W&B: {error}")
            return False
        except Exception as error:  # whatever W&B does, the other runs are written
            traceback.print_exc(file=sys.stderr)
            self._failed(f"{type(error).__name__}: {error}".splitlines()[0])
            return False
        self._failures = 0
        return True

    def _failed(self, why: str) -> None:
        self._failures += 1
        self.trouble = why
        self._open.clear()
        self.writer.restart()
        if self.mode == "online":
            self.mode, self._failures = "offline", 0
            self._tell(f"W&B: {why}; runs are written offline from here, `harness sync` sends them")

    def _tell(self, text: str) -> None:
        if text not in self._noted:
            self._noted.add(text)
            self.note(text)
