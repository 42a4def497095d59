"""`harness data prepare`: verify, decode, compute flow, cache."""

from pathlib import Path
from typing import Annotated

import typer

from harness.cli import options as o
from harness.errors import UserError

Manifest = Annotated[
    Path | None,
    typer.Option("--manifest", help="Where to write the manifest [default: beside the cache]."),
]


def command(
    dataset: o.Dataset,
    set_: o.Set = None,
    data: o.Data = None,
    cache: o.Cache = o.CACHE_DEFAULT,
    workers: o.Processes = None,
    manifest: Manifest = None,
    seconds: o.Seconds = o.SECONDS_DEFAULT,
    format: o.Format = None,
    output: o.Output = None,
) -> None:
    """Decode every video once, with its flow, into the cache that all trainings share.

    Killed and started again, it goes on where it stopped. What is there already is not made again.

    Example: `harness data prepare moving_shapes --set train=32 --set flow.preset=fast`
    """
    from harness.cli.display import display
    from harness.cli.output import check_format, emit
    from harness.preparation.account import Preparing, prepare_section
    from harness.preparation.sections import data_sections
    from harness.report.manifest import summaries_table

    check_format(format)
    places = o.places(data, cache)
    sections = data_sections(dataset, set_ or [], places)
    if manifest is not None and len(sections) > 1:
        raise UserError(
            f"--manifest {manifest}: {dataset} has {len(sections)} data sections; "
            "leave it out, and each manifest lies beside its cache"
        )
    how = Preparing(workers=o.processes(workers), seconds_per_file=seconds, manifest=manifest)
    with display() as shown:
        done = [prepare_section(section, places, how, shown) for section in sections]
    emit(summaries_table(done), format, output)
