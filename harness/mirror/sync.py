"""`harness sync`: what is not in W&B yet is replayed from the records, then sent.

Idempotent twice over: a cell that is mirrored is not written again, and W&B's own `wandb sync`
leaves out what it has sent. One run at a time, so that no rate limit is met.
"""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from filelock import FileLock, Timeout

from harness.errors import UserError
from harness.files import disk_errors
from harness.mirror.marker import LOCK, Marker, marker_of
from harness.mirror.session import Session
from harness.mirror.wandb_runs import Writer
from harness.mirror.watcher import PATIENCE
from harness.places import Places
from harness.registry import hint
from harness.results.store import finished_cells

AT_ONCE = 20  # runs that one call of `wandb sync` is given
SECONDS_PER_RUN = 60.0  # after which a call is given up
RETRIES = {"WANDB__GRAPHQL_RETRY_MAX": "3", "WANDB__FILE_STREAM_RETRY_MAX": "3"}


def plans_of(runs: Path, names: Sequence[str]) -> list[Path]:
    """The folders of these plans, or of all; UserError for one that has no records."""
    there = {path.name: path for path in sorted(runs.glob("*/")) if finished_cells(path)}
    for name in names:
        if name not in there:
            raise UserError(f"no plan {name!r} in {runs}: {hint(name, there)}")
    return [there[name] for name in names or there]


@contextmanager
def session_of(
    plan: Path, places: Places, media: Sequence[str], note: Callable[[str], None]
) -> Iterator[Session | None]:
    """The plan's mirror for a while; None if its own is at work."""
    lock = FileLock(plan / LOCK)
    with disk_errors(plan):
        try:
            lock.acquire(timeout=0)
        except Timeout:
            yield None
            return
    writer = Writer(plan, PATIENCE)
    try:
        yield Session(plan, writer, places, note, media=media)
    finally:
        writer.close()
        lock.release()


def to_write(session: Session) -> list[Path]:
    """The cells that are missing in W&B, or are there otherwise than in their records."""
    return [folder for folder in finished_cells(session.plan) if session.is_missing(folder)]


def to_send(plan: Path) -> list[Path]:
    """The folders of cells, and of the plan, whose runs are written but were never sent."""
    written = {folder: marker_of(folder) for folder in [*finished_cells(plan), plan]}
    return [f for f, m in written.items() if m and not m.sent and (plan / m.directory).is_dir()]


def send(plan: Path, folders: Sequence[Path]) -> str:
    """Send these runs; why it was given up, or nothing."""
    for some in _batches(folders):
        markers = {folder: marker_of(folder) for folder in some}
        known = {folder: marker for folder, marker in markers.items() if marker is not None}
        said = _wandb_sync(plan, [marker.directory for marker in known.values()])
        left = [f for f, marker in known.items() if not _settled(plan, f, marker)]
        if left:
            return _reason(said)
    return ""


def _batches(folders: Sequence[Path]) -> Iterator[Sequence[Path]]:
    for start in range(0, len(folders), AT_ONCE):
        yield folders[start : start + AT_ONCE]


def _settled(plan: Path, folder: Path, marker: Marker) -> bool:
    """Whether W&B has the run: `wandb sync` leaves a file that says so. Kept in our marker too."""
    if not list((plan / marker.directory).glob("*.wandb.synced")):
        return False
    replace(marker, sent=True).write(folder)
    return True


def _wandb_sync(plan: Path, directories: Sequence[str]) -> str:
    """What it said. Its exit code is 0 whatever happened."""
    command = [sys.executable, "-m", "wandb", "sync", "--yes", "--skip-synced", "-n", "1"]
    try:
        done = subprocess.run(
            [*command, *directories],
            cwd=plan,
            env=os.environ | RETRIES,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=SECONDS_PER_RUN * (1 + len(directories)),
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        return f"ERROR no answer for {late.timeout:.0f} s"
    return done.stdout + done.stderr


def _reason(said: str) -> str:
    """The first error among what `wandb sync` said, else its last word."""
    lines = [re.sub(r"^wandb: ", "", line).strip() for line in said.splitlines() if line.strip()]
    errors = [re.sub(r"^ERROR:? ", "", line) for line in lines if re.match("ERROR|Error", line)]
    return (errors or lines[-1:] or ["wandb sync said nothing"])[0]
