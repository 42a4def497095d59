"""A channel by files, for a worker on another host that shares a file system with the coordinator.

Each attempt at a cell has a folder: the worker adds lines to `reports.jsonl`, the coordinator to
`answers.jsonl`. The coordinator also counts in a file, and a worker that has seen the same count
for a while of its own clock takes the coordinator for gone; no two clocks are compared. Files grow
or are written in place and are opened anew for every look, for which NFS promises the current
content.
"""

import json
import os
import shutil
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from harness.files import append_json
from harness.train.channel import GO, STOP, Verdict

SECONDS_BETWEEN_BEATS = 5.0
SECONDS_UNTIL_GONE = 60.0
SECONDS_BETWEEN_COUNTS = 1.0  # how often a worker looks for one
FIRST_PAUSE, LONGEST_PAUSE = 0.02, 0.5  # of one who waits for a line


class Tail:
    """The whole lines that others have added to a file since the last look."""

    def __init__(self, path: Path) -> None:
        self.path, self._read = path, 0

    def values(self) -> list[dict[str, Any]]:
        try:
            with self.path.open("rb") as file:
                file.seek(self._read)
                content = file.read()
        except FileNotFoundError:
            return []
        whole = content[: content.rfind(b"\n") + 1]
        self._read += len(whole)
        return [value for value in map(_value, whole.splitlines()) if value is not None]


def _value(line: bytes) -> dict[str, Any] | None:
    """None of a line that was cut short, by a full disk or a kill, and closed by the next."""
    try:
        value: dict[str, Any] = json.loads(line)
    except ValueError:
        return None
    return value


@dataclass(frozen=True)
class Post:
    """Where the two ends of one attempt leave word for each other."""

    folder: Path  # of the attempt
    pulse: Path  # the coordinator's count, which begins with its name
    name: str

    @property
    def reports(self) -> Path:
        return self.folder / "reports.jsonl"

    @property
    def answers(self) -> Path:
        return self.folder / "answers.jsonl"


def post_for(cell_folder: Path, pulse: Path, name: str) -> Post:
    """A new attempt's; whoever is left of earlier ones finds that theirs is over."""
    shutil.rmtree(cell_folder / "channel", ignore_errors=True)
    folder = cell_folder / "channel" / uuid.uuid4().hex[:12]
    folder.mkdir(parents=True)
    return Post(folder, pulse, name)


class Coordinators:
    """The coordinator's end: what a worker reports, and what it is answered."""

    def __init__(self, post: Post) -> None:
        self.post, self._tail = post, Tail(post.reports)

    def reports(self) -> list[tuple[str, dict[str, object]]]:
        return [(said["event"], said["facts"]) for said in self._tail.values()]

    @property
    def begun(self) -> bool:
        """Whether the worker's end is there; a job may wait in a queue for long."""
        return self.post.reports.exists()

    def answer(self, verdict: Verdict) -> None:
        append_json(self.post.answers, asdict(verdict))

    def remove(self) -> None:
        """The attempt is over; one who goes on all the same finds nobody."""
        shutil.rmtree(self.post.folder, ignore_errors=True)


class Workers:
    """The worker's end, a channel: an epoch waits for its answer, a step only looks."""

    def __init__(
        self,
        post: Post,
        *,
        gone_after: float = SECONDS_UNTIL_GONE,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.post, self._tail = post, Tail(post.answers)
        self._gone_after, self._clock, self._sleep = gone_after, clock, sleep
        self._unread: list[dict[str, Any]] = []
        self._count, self._changed = b"", clock()
        self._looked = -SECONDS_BETWEEN_COUNTS
        if post.folder.is_dir():
            post.reports.touch()

    def __call__(self, event: str, facts: Mapping[str, object]) -> Verdict:
        try:
            append_json(self.post.reports, {"event": event, "facts": dict(facts)})
        except FileNotFoundError:  # the attempt is over for the coordinator
            return STOP
        pause = FIRST_PAUSE
        while (verdict := self.look()) is None:
            if event != "epoch":
                return GO
            self._sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
        return verdict

    def look(self) -> Verdict | None:
        """The next answer, if there is one; one who is gone has asked to stop."""
        self._unread = self._unread or self._tail.values()
        if self._unread:
            return Verdict(**self._unread.pop(0))
        return STOP if self._nobody_there() else None

    def _nobody_there(self) -> bool:
        now = self._clock()
        if now - self._looked < SECONDS_BETWEEN_COUNTS:
            return False
        self._looked = now
        try:
            count = self.post.pulse.read_bytes()
        except OSError:  # for a moment, or for good
            count = self._count
        if count and not count.startswith(self.post.name.encode()):
            return True  # there is another coordinator now
        if count != self._count:
            self._count, self._changed = count, now
        return not self.post.folder.is_dir() or now - self._changed > self._gone_after


class Pulse:
    """Counts in a file for as long as this process lives, however busy it is."""

    def __init__(self, path: Path, seconds: float = SECONDS_BETWEEN_BEATS) -> None:
        self.path, self._seconds = path, seconds
        self.name, self._count = uuid.uuid4().hex, 0
        self._over = threading.Event()
        path.parent.mkdir(parents=True, exist_ok=True)
        self._beat()
        self._thread = threading.Thread(target=self._go_on, name="pulse", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._over.set()
        self._thread.join()

    def _go_on(self) -> None:
        while not self._over.wait(self._seconds):
            with suppress(OSError):  # a shared file system may fail once; one beat is not missed
                self._beat()

    def _beat(self) -> None:
        """In place and of constant length, so that a full disk does not stop it."""
        self._count += 1
        file = os.open(self.path, os.O_WRONLY | os.O_CREAT, 0o644)
        try:
            os.pwrite(file, f"{self.name} {self._count:012d}\n".encode(), 0)
            os.fsync(file)
        finally:
            os.close(file)
