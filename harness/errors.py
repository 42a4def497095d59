"""What the user can fix: told in one line, without a traceback, with exit code 2."""

from collections.abc import Iterator
from contextlib import contextmanager


class UserError(Exception):
    """Bad input: what was given, where, what is allowed, and the nearest valid name.

    Anything else that is raised is a bug and keeps its traceback.
    """


class Errors:
    """Errors of the user that are told at once, each line once, in the order of finding.

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
    def collected(self) -> Iterator[None]:
        """Keep a UserError, and go on after the block."""
        try:
            yield
        except UserError as error:
            self.add(error)

    def tell(self) -> None:
        """Raise what was collected, if anything was."""
        if self.lines:
            raise UserError("\n".join(self.lines))
