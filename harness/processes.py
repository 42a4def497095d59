"""Starting processes that do not import the program that starts them.

multiprocessing lets a child run the parent's main file again. A user's script without an
`if __name__ == "__main__":` guard would then start itself over and over; our workers need none.
"""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker
from types import ModuleType


@contextmanager
def without_main() -> Iterator[None]:
    """Processes started in here know nothing of `__main__`."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


@contextmanager
def deaf() -> Iterator[None]:
    """Processes started in here do not hear Ctrl-C from their first moment on.

    They inherit what their thread blocks; ignoring it themselves would leave the second in which
    they import.
    """
    resource_tracker.ensure_running()  # else the first start would begin it, which unblocks
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
