"""Work that hangs, dies or fails, for the tests of the pool; workers import it by name."""

import ctypes
import os
import signal
import time
from pathlib import Path
from threading import Timer

import numpy as np

BIG = 200_000_000  # bytes: an answer that takes a while to be sent


def act(task):
    """Do as the task says; the answer tells what was asked and by whom it was done."""
    what, *rest = task
    return ACTS[what](*rest)


def hang():
    """As native code does: no signal but SIGKILL ends it, and no other thread gets a turn."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM):
        signal.signal(number, signal.SIG_IGN)
    ctypes.PyDLL(None).sleep(1000)


def die_once(marker):
    if not Path(marker).exists():
        Path(marker).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return "second time"


def die_while_sending():
    Timer(0.05, os.kill, (os.getpid(), signal.SIGKILL)).start()
    return np.zeros(BIG, np.uint8)


def busy(marker, seconds):
    """Leave a trace for as long as it works."""
    Path(marker).touch()
    time.sleep(seconds)
    Path(marker).unlink()
    return os.getpid()


def others_when_repeated(marker, other):
    """Die at first; then say whether the other task is still at work."""
    die_once(marker)
    return Path(other).exists()


ACTS = {
    "echo": lambda value: value,
    "who": os.getpid,
    "hang": hang,
    "die": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "leave": lambda: os._exit(0),
    "fault": lambda: ctypes.string_at(0),
    "die once": die_once,
    "die while sending": die_while_sending,
    "raise": lambda: 1 / 0,
    "busy": busy,
    "alone?": others_when_repeated,
    "mark": lambda marker: Path(marker).touch(),
}
