"""`harness data import-flow`: flow images that are there already."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from harness.cli import options as o

Folder = Annotated[Path, typer.Argument(metavar="FOLDER", help="Where the flow images are.")]
All = Annotated[bool, typer.Option("--all", help="List every clip, not the problems alone.")]


def command(
    dataset: o.Dataset,
    folder: Folder,
    set_: o.Set = None,
    everything: All = False,
    data: o.Data = None,
    cache: o.Cache = o.CACHE_DEFAULT,
    format: o.Format = None,
    output: o.Output = None,
) -> None:
    """Hold a folder of flow images against the clips, and print the YAML that uses it.

    Layouts of TSN's dense_flow, denseflow and MMAction2 are found by themselves. Nothing is
    copied. Exit code 1 if a clip lacks flow.

    Example: `harness data import-flow ucf101 data/ucf101/tvl1_flow`
    """
    from harness.cli.output import check_format, emit
    from harness.preparation.flow_import import lines_for, surveyed
    from harness.preparation.sections import data_sections
    from harness.report.manifest import survey_table

    check_format(format)
    places = o.places(data, cache)
    sections = data_sections(dataset, set_ or [], places)
    rows = [row for section in sections for row in surveyed(section, folder, places)]
    emit(survey_table(rows, everything=everything), format, output)
    lacking = sum(bool(row["problem"]) for row in rows)
    if lacking:
        print(f"{lacking} of {len(rows)} clips have no usable flow in {folder}", file=sys.stderr)
        raise typer.Exit(1)
    print(lines_for(folder, places.data), file=sys.stderr)
