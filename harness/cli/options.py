"""Options that several commands share."""

import os
from pathlib import Path
from typing import Annotated

import typer

from harness.cpu import cores
from harness.errors import UserError
from harness.places import Places
from harness.settings import SECONDS_PER_FILE

File = Annotated[Path, typer.Argument(metavar="FILE", help="The YAML file.")]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override a key; may be given several times."),
]
Plans = Annotated[
    list[str] | None, typer.Argument(metavar="[PLAN]...", help="Plans by name [default: all].")
]
PlanName = Annotated[str, typer.Argument(metavar="PLAN", help="A plan's name.")]
Policy = Annotated[
    list[str] | None,
    typer.Option(
        "--policy",
        metavar="KEY=VALUE",
        help="What to do about failures, time and room, such as on_failure=fail_fast.",
    ),
]
Update = Annotated[
    bool, typer.Option("--update", help="Go on although the plan's files have changed.")
]
Dataset = Annotated[
    str,
    typer.Argument(metavar="DATASET", help="A data set's name, or an experiment or sweep file."),
]
Where = Annotated[
    list[str] | None,
    typer.Option("--where", metavar="FIELD=VALUE", help="Keep what has this value in this field."),
]
Data = Annotated[
    str | None,
    typer.Option(
        "--data", help=f"Where videos are: folders joined by '{os.pathsep}'.", envvar="HARNESS_DATA"
    ),
]
Cache = Annotated[
    Path, typer.Option("--cache", help="Decoded frames and flow.", envvar="HARNESS_CACHE")
]
Runs = Annotated[
    Path, typer.Option("--runs", help="Records and checkpoints.", envvar="HARNESS_RUNS")
]
Workers = Annotated[
    int | None, typer.Option("--workers", "-w", min=1, help="Trainings at once [default: cores].")
]
Processes = Annotated[
    int | None, typer.Option("--workers", "-w", min=1, help="Files at once [default: cores].")
]
Seconds = Annotated[
    float,
    typer.Option(
        "--seconds-per-file", min=1, help="After so long a file is given up and quarantined."
    ),
]
Threads = Annotated[int, typer.Option("--threads", min=1, help="Torch threads per training.")]
Device = Annotated[str, typer.Option("--device", help="auto, cpu, gpu, ... as Lightning names it.")]
Wandb = Annotated[
    str, typer.Option("--wandb", help="auto (online if logged in), offline, online or disabled.")
]
Media = Annotated[
    str, typer.Option("--media", help="Pictures for W&B: confusion, clips, or both, with a comma.")
]
Executor = Annotated[
    str, typer.Option("--executor", help="Where trainings run: local, ray or slurm.")
]
Storage = Annotated[
    str | None,
    typer.Option(
        "--storage",
        metavar="URL",
        help="Where a search keeps its trials: journal[:PATH], postgresql://..., mysql://..., "
        "sqlite:///..., grpc://... [default: HARNESS_STORAGE, or journal]",
    ),
]
Gpus = Annotated[
    str | None, typer.Option("--gpus", help="GPUs of this machine to train on, such as 0,1.")
]
PerGpu = Annotated[
    int | None, typer.Option("--per-gpu", min=1, help="Trainings that share a GPU [default: 1].")
]
Address = Annotated[
    str | None,
    typer.Option("--address", help="Ray: HOST:PORT, auto, or local for a cluster of its own."),
]
Slurm = Annotated[
    list[str] | None,
    typer.Option(
        "--slurm", metavar="KEY=VALUE", help="Slurm: partition=gpu, timeout_min=60, ... (repeat)."
    ),
]
Fresh = Annotated[bool, typer.Option("--fresh", help="Train again; old records are set aside.")]
Retry = Annotated[bool, typer.Option("--retry-failed", help="Train failed cells again.")]
Format = Annotated[
    str | None,
    typer.Option("--format", "-f", help="md, csv or json [default: a table for the terminal]."),
]
Output = Annotated[Path | None, typer.Option("-o", "--output", help="Write the table to a file.")]

CACHE_DEFAULT = Path("cache")
RUNS_DEFAULT = Path("runs")
SECONDS_DEFAULT = SECONDS_PER_FILE


def places(data: str | None, cache: Path, runs: Path = RUNS_DEFAULT) -> Places:
    if data is None:
        return Places(cache=cache, runs=runs)
    roots = tuple(Path(part) for part in data.split(os.pathsep) if part)
    return Places(data=roots, cache=cache, runs=runs)


def processes(workers: int | None) -> int:
    return workers or cores()


def conditions(where: list[str] | None, example: str) -> dict[str, str]:
    """`--where` as fields and the values that they must have."""
    return dict(pair("--where", text, example) for text in where or [])


def pair(option: str, text: str, example: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals:
        raise UserError(f"{option} {text!r}: expected field=value, for example {example}")
    return key, value
