"""What the user can fix: told in one line, without a traceback, with exit code 2."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager


class UserError(Exception):
    """Bad input: what was given, where, what is allowed, and the nearest valid name.

    Anything else that is raised is a bug and keeps its traceback.
    """


class Errors:
    """Errors of the user that are told at once, each line once, those of a file in its order.

    >>> errors = Errors()
    >>> with errors.collected():
    ...     raise UserError("a.yaml:3: wrong")
    >>> errors.lines
    ['a.yaml:3: wrong']
    """

    def __init__(self) -> None:
        self.lines: list[str] = []

    def add(self, error: UserError) -> None:
        self.lines += [line for line in str(error).splitlines() if line not in self.lines]

    @contextmanager
    def collected(self, key: str = "") -> Iterator[None]:
        """Keep a UserError, and go on after the block; each of its lines is about the key."""
        try:
            yield
        except UserError as error:
            about = f"{key}: " if key else ""
            self.add(UserError("\n".join(about + line for line in str(error).splitlines())))

    def tell(self) -> None:
        """Raise what was collected, if anything was."""
        if self.lines:
            raise UserError("\n".join(in_order(self.lines)))


def in_order(lines: Sequence[str]) -> list[str]:
    """Files as they come, those of one by line.

    >>> in_order(["a.yaml:10: x", "b.yaml:3: y", "a.yaml:9: z"])
    ['a.yaml:9: z', 'a.yaml:10: x', 'b.yaml:3: y']
    """
    files: dict[str, int] = {}

    def place(line: str) -> tuple[int, int]:
        found = re.match(r"(.*?)(?::(\d+))?: ", line)
        file, number = (found[1], found[2]) if found else (line, None)
        return files.setdefault(file, len(files)), int(number or 0)

    return sorted(lines, key=place)
