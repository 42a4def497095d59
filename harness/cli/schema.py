"""`harness schema`: JSON Schema of the three kinds of files, for editors."""

from pathlib import Path
from typing import Annotated

import typer

KINDS = "experiment (an ablation study is one), sweep or leaderboard."
Kind = Annotated[str, typer.Argument(metavar="KIND", help=KINDS)]
Output = Annotated[Path | None, typer.Option("-o", "--output", help="Write it to a file.")]


def command(kind: Kind, output: Output = None) -> None:
    """Print the JSON Schema of a kind of file; editors complete and check YAML with it.

    Example: `harness schema experiment -o experiment.schema.json`
    """
    import json

    from harness.config.experiment import Experiment
    from harness.config.json_schema import json_schema
    from harness.errors import UserError
    from harness.files import write_atomic
    from harness.planning.sweepfile import Sweep
    from harness.registry import hint
    from harness.report.board import BoardFile

    kinds: dict[str, type] = {"experiment": Experiment, "sweep": Sweep, "leaderboard": BoardFile}
    if kind not in kinds:
        raise UserError(f"schema {kind!r}: {hint(kind, list(kinds))}")
    text = json.dumps(json_schema(kinds[kind]), indent=1) + "\n"
    if output is None:
        print(text, end="")
    else:
        write_atomic(output, text.encode())
