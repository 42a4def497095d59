"""Options that the commands of `harness bench` share."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from harness.errors import UserError
from harness.registry import hint

T = TypeVar("T")

Batch = Annotated[int, typer.Option("--batch", "-b", min=1, help="Samples of a call.")]
Threads = Annotated[int, typer.Option("--threads", "-t", min=1, help="Torch threads.")]
Direction = Annotated[str, typer.Option("--direction", help="What to time: see above.")]
Algorithm = Annotated[
    str, typer.Option("--algorithm", help="One of `harness show convs`; its options by --set.")
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="An option of the algorithm; repeatable."),
]
Seconds = Annotated[
    float, typer.Option("--seconds", min=0, help="Wall time of each race; at least 7 rounds.")
]
Compile = Annotated[
    bool,
    typer.Option("--compile/--no-compile", help="Race torch.compile with freezing too."),
]


def options(given: list[str] | None) -> dict[str, Any]:
    """`--set` as an algorithm's options."""
    from harness.config.document import parse_override

    merged: dict[str, Any] = {}
    for text in given or []:
        merged |= parse_override(text).tree
    return merged


def chosen(direction: str, allowed: Mapping[str, T]) -> T:
    if direction not in allowed:
        raise UserError(f"--direction {direction!r}: {hint(direction, list(allowed))}")
    return allowed[direction]


def check_suffix(plot: Path | None) -> None:
    """Before anything is measured."""
    if plot is not None and plot.suffix.lower() != ".svg":
        raise UserError(f"--plot {plot}: it draws SVG; give a name that ends in .svg")


def write_plot(text: str, plot: Path) -> None:
    from harness.files import write_atomic

    write_atomic(plot, text.encode())
    print(f"wrote {plot}", file=sys.stderr)
