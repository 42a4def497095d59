"""How many ranks there may be."""

from harness.errors import UserError


def checked(ranks: int) -> int:
    if ranks < 2:
        raise UserError(f"ranks: must be at least 2, got {ranks}; one process needs no strategy")
    return ranks
