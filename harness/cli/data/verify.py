"""`harness data verify`: every file read once, the cache hashed again."""

import sys
from typing import Annotated

import typer

from harness.cli import options as o

All = Annotated[bool, typer.Option("--all", help="List every file, not the problems alone.")]


def command(
    dataset: o.Dataset,
    set_: o.Set = None,
    everything: All = False,
    data: o.Data = None,
    cache: o.Cache = o.CACHE_DEFAULT,
    workers: o.Processes = None,
    format: o.Format = None,
    output: o.Output = None,
) -> None:
    """Decode every file from beginning to end; exit code 1 if one cannot be used.

    A cache that is there already is hashed again.

    Example: `harness data verify moving_shapes --set train=32 --set test=16`
    """
    from harness.cli.display import display
    from harness.cli.output import check_format, emit
    from harness.data.cache import verify_cache
    from harness.data.manifest import verify
    from harness.data.prepare import prepared
    from harness.preparation.sections import data_sections
    from harness.report.manifest import problems_table, unusable

    check_format(format)
    places = o.places(data, cache)
    rows = []
    with display() as shown:
        for section in data_sections(dataset, set_ or [], places):
            section.dataset.write(shown.preparing)
            found = verify(section.clips, workers=o.processes(workers), progress=shown.preparing)
            rows += section.named(found)
            known = prepared(section.clips, section.recipe, places.cache)
            if known is not None:
                verify_cache(places.cache, known.key)
                shown.note(f"{known.place}: as it was written")
    emit(problems_table(rows, everything=everything), format, output)
    if unusable(rows):
        print(f"{len(unusable(rows))} of {len(rows)} files cannot be used", file=sys.stderr)
        raise typer.Exit(1)
