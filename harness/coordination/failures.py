"""Classes of failure: the first word of a failed record's reason, and what the policy goes by."""

import os
from pathlib import Path

from harness.errors import UserError

CLASSES = {
    "preempted": "the process or its machine went away",
    "oom": "memory ran out",
    "nan": "the loss was not a number",
    "time": "longer than a training may take",
    "data": "something that the user gave cannot be used",
    "bug": "anything else; error.txt beside the record has the traceback",
}
NAMES = {  # of exceptions, since neither torch nor Lightning is imported here
    "OutOfMemoryError": "oom",
    "MemoryError": "oom",
    "NotANumberError": "nan",
}
LOST = 255  # what multiprocessing says of a child whose fork server has died
NO_MEMORY = ("not enough memory", "out of memory", "cannot allocate memory")


def reason_of(error: BaseException) -> str:
    """A failed record's reason: class and first line of what was raised.

    >>> reason_of(UserError("train.csv:3: no such video"))
    'data: train.csv:3: no such video'
    >>> reason_of(KeyError("x"))
    "bug: KeyError: 'x'"
    """
    first = str(error).splitlines()[0] if str(error) else ""
    named = [NAMES[kind.__name__] for kind in type(error).__mro__ if kind.__name__ in NAMES]
    if named:
        return f"{named[0]}: {first or type(error).__name__}"
    if isinstance(error, UserError):
        return f"data: {first}"
    if isinstance(error, RuntimeError) and any(text in first.lower() for text in NO_MEMORY):
        return f"oom: {first}"
    return f"bug: {type(error).__name__}: {first}"


def misses_another(error: BaseException) -> bool:
    """Whether a rank failed for want of one that is gone, as torch.distributed says it.

    >>> misses_another(RuntimeError("[gloo/transport/tcp/pair.cc:547] Connection closed by peer"))
    True
    """
    kinds = [kind.__name__ for kind in type(error).__mro__]
    return "DistError" in kinds or "gloo/" in str(error)


def class_of(reason: str) -> str:
    """The class that a reason begins with; a bug, where it begins with none.

    >>> class_of("oom: killed by signal 9 (SIGKILL)"), class_of("no such thing")
    ('oom', 'bug')
    """
    first = reason.partition(":")[0]
    return first if first in CLASSES else "bug"


def death(exitcode: int | None, *, oom: bool) -> str:
    """Why a worker ended that left no reason of its own; `oom`: the system has killed for memory.

    >>> death(-9, oom=False)
    'preempted: killed by signal 9 (SIGKILL)'
    """
    if exitcode is not None and exitcode < 0:
        names = {2: "SIGINT", 6: "SIGABRT", 9: "SIGKILL", 11: "SIGSEGV", 15: "SIGTERM"}
        signal = f"signal {-exitcode}" + (f" ({names[-exitcode]})" if -exitcode in names else "")
        if exitcode == -9 and oom:
            return f"oom: killed by {signal}: the machine's memory ran out"
        return f"{'preempted' if exitcode in (-9, -15) else 'bug'}: killed by {signal}"
    if exitcode == LOST:
        return "preempted: the process that starts trainings is gone"
    return f"bug: ended with exit code {exitcode} and no record"


def kills_for_memory() -> int:
    """How many processes the system has killed for memory, here and in this control group."""
    count = 0
    for path in ("/proc/vmstat", "/sys/fs/cgroup/memory.events"):
        if not os.access(path, os.R_OK):
            continue
        for line in Path(path).read_text().splitlines():
            name, _, value = line.partition(" ")
            count += int(value) if name == "oom_kill" else 0
    return count
