"""A function in a process of its own, whose memory is then that function's alone.

Not multiprocessing's: a training runs in a daemon of it, which may have no children.
"""

import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")

START = "from harness.bench.isolated import answer; answer()"


class LostError(Exception):
    """The process ended without an answer: out of memory, most likely."""


def isolated(function: Callable[..., T], *args: Any) -> T:
    """`function(*args)`, in a freshly started interpreter; what it raises is raised here."""
    path = os.pathsep.join(folder for folder in sys.path if folder)
    done = subprocess.run(
        [sys.executable, "-c", START],
        input=pickle.dumps((function, args)),
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": path},
        check=False,
    )
    if done.returncode:
        raise LostError(f"a process ended with code {done.returncode}")
    succeeded, value = pickle.loads(done.stdout)
    if not succeeded:
        raise value
    result: T = value
    return result


def answer() -> None:
    """The other side: a call on stdin, its outcome on stdout; what is printed goes to stderr."""
    out = os.dup(1)
    os.dup2(2, 1)
    function, args = pickle.loads(sys.stdin.buffer.read())
    try:
        outcome = (True, function(*args))
    except Exception as error:
        outcome = (False, error)
    with os.fdopen(out, "wb") as stream:
        stream.write(pickle.dumps(outcome))
