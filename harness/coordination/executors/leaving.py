"""Workers are asked to leave, and those that do not are made to."""

import time
from collections.abc import Iterable

from harness.coordination.executors.contract import End, Executor
from harness.train.channel import STOP

SECONDS_TO_LEAVE = 30.0
SECONDS_BETWEEN_LOOKS = 1.0


def dismiss_all(executor: Executor, keys: Iterable[str]) -> None:
    """Ask every worker to stop; who does not within a while is killed."""
    left = set(keys)
    for key in left:
        executor.answer(key, STOP)
    deadline = time.monotonic() + SECONDS_TO_LEAVE
    while left and time.monotonic() < deadline:
        for event in executor.events(SECONDS_BETWEEN_LOOKS):
            if isinstance(event, End):
                left.discard(event.key)
            elif event.event == "epoch":  # it had not heard yet
                executor.answer(event.key, STOP)
    for key in left:
        executor.kill(key)
    executor.close()
