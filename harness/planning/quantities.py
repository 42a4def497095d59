"""Durations and sizes as people write them: `30m`, `10GB`."""

import re

from harness.errors import UserError

SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
BYTES = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}


def quantity(text: str, units: dict[str, int]) -> float:
    """The number of the smallest unit that a text stands for.

    >>> quantity("1.5h", SECONDS), quantity("10 GB", BYTES)
    (5400.0, 10000000000.0)
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([A-Za-z]+)", text.strip())
    if found is None or found[2] not in units or float(found[1]) == 0:
        example = f"30{'m' if 'm' in units else 'GB'}"
        raise UserError(
            f"expected a number above 0 and its unit ({', '.join(units)}) such as {example}, "
            f"got {text!r}"
        )
    return float(found[1]) * units[found[2]]


def duration(seconds: float) -> str:
    """Seconds as people read them, to two units.

    >>> duration(42), duration(3905), duration(200000)
    ('42 s', '1 h 5 min', '2 d 7 h')
    """
    parts = [("d", 86400), ("h", 3600), ("min", 60), ("s", 1)]
    for index, (name, length) in enumerate(parts):
        if seconds >= length or length == 1:
            below = parts[index + 1 : index + 2] if length > 60 else []
            whole, rest = divmod(seconds, length)
            tail = [f"{int(rest // size)} {unit}" for unit, size in below if rest >= size]
            return " ".join([f"{int(whole)} {name}", *tail])
    raise AssertionError("every duration has seconds")


def size(count: float) -> str:
    """Bytes as people read them.

    >>> size(999), size(12_345_678)
    ('999 B', '12.3 MB')
    """
    name, length = next(
        ((n, b) for n, b in reversed(BYTES.items()) if count >= b), ("B", BYTES["B"])
    )
    return f"{count:.0f} B" if length == 1 else f"{count / length:.3g} {name}"
