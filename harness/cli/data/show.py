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
    format: o.Format = None,
) -> None:
    """Draw a contact sheet: frames, the flow between them in colours, and what the colours mean.

    Prints besides how well the flow method finds motion that is known.

    Example: `harness data show moving_shapes test/red_up/00000 --set resize=112 -o sheet.png`
    """
    from harness.cli.display import display
    from harness.cli.output import check_format, emit
    from harness.data.sheet import sheets, write_png
    from harness.flow.known_motion import known_motion
    from harness.preparation.pictures import pictures
    from harness.preparation.sections import data_sections
    from harness.report.motion import motion_table

    check_format(format)
    places = o.places(data, cache)
    sections, shown = data_sections(dataset, set_ or [], places), []
    with display() as watcher:
        for section in sections:
            section.dataset.write(watcher.preparing)
            shown += pictures(section, clip, places)
    write_png(output, sheets(shown, count))
    print(f"wrote {output}", file=sys.stderr)
    flows = {repr(s.recipe.flow): s.recipe.flow for s in sections}
    for flow in flows.values():
        emit(motion_table(known_motion(flow), flow.name), format, None)
