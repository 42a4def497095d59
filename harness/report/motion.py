"""How well a flow method finds motion that is known, as a table."""

from collections.abc import Mapping, Sequence
from typing import Any

from harness.report.formats import ColumnSpec, Table

NOTE = "found / true: 1 is right, 0 is none of the motion; error: mean end-point error"


def motion_table(rows: Sequence[Mapping[str, Any]], method: str) -> Table:
    """Rows of `known_motion`: a scene, a motion, what was found of it, in pixels."""
    titles = {
        "scene": "what moves",
        "true": "true x, y (px)",
        "found": "found x, y (px)",
        "error": "error (px)",
        "ratio": "found / true",
    }
    shown = [{**row, "true": _pair(row["true"]), "found": _pair(row["found"])} for row in rows]
    columns = tuple(ColumnSpec(key=key, title=title) for key, title in titles.items())
    return Table(f"Known motion by {method}", columns, shown, (NOTE,))


def _pair(displacement: Sequence[float]) -> str:
    return ", ".join(f"{pixels:.3g}" for pixels in displacement)
