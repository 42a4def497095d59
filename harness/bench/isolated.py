"""A function in a process of its own, whose memory is then that function's alone."""

from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any, TypeVar

from harness.processes import without_main

T = TypeVar("T")


class LostError(Exception):
    """The process ended without an answer: out of memory, most likely."""


def isolated(function: Callable[..., T], *args: Any) -> T:
    """`function(*args)`, in a freshly started interpreter; what it raises is raised here."""
    context = get_context("spawn")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_answer, args=(there, function, args), daemon=True)
    with without_main():
        process.start()
    there.close()
    try:
        done, value = here.recv()
    except EOFError:
        process.join()
        raise LostError(f"a process ended with code {process.exitcode}") from None
    process.join()
    if not done:
        raise value
    result: T = value
    return result


def _answer(there: Connection, function: Callable[..., Any], args: tuple[Any, ...]) -> None:
    try:
        answer = (True, function(*args))
    except Exception as error:
        answer = (False, error)
    there.send(answer)
