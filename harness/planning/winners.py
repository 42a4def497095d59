"""What a search found: the parameters of the trials that were confirmed."""

import shlex
from collections.abc import Sequence
from itertools import pairwise

from harness.planning.space import Dimension
from harness.results.record import Record


def winners(records: Sequence[Record], space: Sequence[Dimension]) -> list[str]:
    """A line for each confirmed trial of each arm on each data set; none without a search."""
    lines = []
    for record in records:
        if record.stage == "confirm":
            given = _given(record.command)
            values = ", ".join(f"{d.key}={given[d.key]}" for d in space if d.key in given)
            place = f"{record.arm} on {record.dataset}/{record.split}"
            lines.append(f"{place}: confirmed trial {record.trial}: {values}")
    return list(dict.fromkeys(lines))


def _given(command: str) -> dict[str, str]:
    """What a command sets, by key; where it sets a key twice, the last value counts."""
    sets = (text for flag, text in pairwise(shlex.split(command)) if flag == "--set")
    return dict(text.split("=", 1) for text in sets)
