"""`harness data show`: frames and flow as a picture."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from harness.cli import options as o

ClipId = Annotated[
    str | None,
    typer.Argument(metavar="[CLIP]", help="An id or a part of one [default: one of each class]."),
]
Count = Annotated[int, typer.Option("--count", min=1, help="Frames of a clip.")]
Image = Annotated[Path, typer.Option("-o", "--output", help="The PNG file to write.")]


def command(
    dataset: o.Dataset,
    clip: ClipId = None,
    set_: o.Set = None,
    count: Count = 8,
    output: Image = Path("contact_sheet.png"),
    data: o.Data = None,
    cache: o.Cache = o.CACHE_DEFAULT,
) -> None:
    """Draw a contact sheet: frames, the flow between them in colours, and what the colours mean.

    Example: `harness data show moving_shapes test/red_up/00000 --set resize=112 -o sheet.png`
    """
    from harness.cli.display import display
    from harness.data.sheet import sheets, write_png
    from harness.planning.data_sections import data_sections
    from harness.planning.pictures import pictures

    places = o.places(data, cache)
    shown = []
    with display() as watcher:
        for section in data_sections(dataset, set_ or [], places):
            section.dataset.write(watcher.preparing)
            shown += pictures(section, clip, places)
    write_png(output, sheets(shown, count))
    print(f"wrote {output}", file=sys.stderr)
