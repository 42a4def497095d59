"""What the commands that train have in common: their options, and how they end."""

import shlex
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from harness.cli import options as o

if TYPE_CHECKING:
    from harness.coordination.outcome import Outcome
    from harness.places import Places
    from harness.planning.plan import Plan
    from harness.report.formats import Table
    from harness.settings import Settings, Site


@dataclass(frozen=True, kw_only=True)
class Launching:
    """The options of a command that trains, as they were given."""

    data: str | None = None
    cache: Path = o.CACHE_DEFAULT
    runs: Path = o.RUNS_DEFAULT
    workers: int | None = None
    threads: int = 1
    device: str = "auto"
    wandb: str = "auto"
    media: str = ""
    executor: str = "local"
    storage: str | None = None
    gpus: str | None = None
    per_gpu: int | None = None
    address: str | None = None
    slurm: Sequence[str] = ()
    policy: Sequence[str] = ()
    update: bool = False
    fresh: bool = False
    retry_failed: bool = False
    format: str | None = None
    output: Path | None = None


Act = Callable[[Path, Sequence[str], Launching], None]


def launching(act: Act) -> Callable[..., None]:
    """A command that trains: `act` with the options that all of them take."""

    def command(
        file: o.File,
        set_: o.Set = None,
        data: o.Data = None,
        cache: o.Cache = o.CACHE_DEFAULT,
        runs: o.Runs = o.RUNS_DEFAULT,
        workers: o.Workers = None,
        threads: o.Threads = 1,
        device: o.Device = "auto",
        wandb: o.Wandb = "auto",
        media: o.Media = "",
        executor: o.Executor = "local",
        storage: o.Storage = None,
        gpus: o.Gpus = None,
        per_gpu: o.PerGpu = None,
        address: o.Address = None,
        slurm: o.Slurm = None,
        policy: o.Policy = None,
        update: o.Update = False,
        fresh: o.Fresh = False,
        retry_failed: o.Retry = False,
        format: o.Format = None,
        output: o.Output = None,
    ) -> None:
        given = Launching(
            data=data,
            cache=cache,
            runs=runs,
            workers=workers,
            threads=threads,
            device=device,
            wandb=wandb,
            media=media,
            executor=executor,
            storage=storage,
            gpus=gpus,
            per_gpu=per_gpu,
            address=address,
            slurm=slurm or (),
            policy=policy or (),
            update=update,
            fresh=fresh,
            retry_failed=retry_failed,
            format=format,
            output=output,
        )
        act(file, set_ or [], given)

    command.__doc__ = act.__doc__
    return command


def carry_out(plan: "Plan", given: Launching, show: Callable[["Outcome"], "Table"]) -> None:
    """Train what is missing, print the table, and leave with the exit code that fits."""
    from harness.cli.output import emit

    outcome = train(plan, given, show)
    emit(show(outcome), given.format, given.output)
    if outcome.failed:
        raise typer.Exit(1)


def train(plan: "Plan", given: Launching, show: Callable[["Outcome"], "Table"]) -> "Outcome":
    """Run a plan and report on stderr; leaves with 130 or 143 when stopped.

    `show` makes the table that its overview in W&B holds.
    """
    from harness.cli.display import display
    from harness.cli.output import check_format
    from harness.coordination.launch import Again, launch
    from harness.planning.policy import changed

    check_format(given.format)
    plan.policy = changed(plan.policy, given.policy)
    for note in plan.notes:
        say(note)
    places = places_of(given)
    again = Again(fresh=given.fresh, failed=given.retry_failed, update=given.update)
    with display() as shown:
        outcome = launch(
            plan,
            places,
            settings_of(given),
            shown,
            again,
            board=lambda done: show(done).grid(),
            site=site_of(given),
            command=command_typed(),
        )
    counts = Counter(outcome.keys.values())
    ended = "".join(f"{counts[s]} {s}, " for s in ("pruned", "cancelled") if counts[s])
    say(
        f"{plan.name}: {outcome.before + counts['done']} done, {counts['failed']} failed, {ended}"
        f"{outcome.trained} trained now, "
        f"{outcome.before + shown.reused} there already ({places.runs / plan.name})"
    )
    for r in outcome.failed:
        say(f"  failed: {r.arm}, {r.dataset} {r.split}, seed {r.seed}: {r.reason}")
    if outcome.failed:
        say("  once the cause is gone, run again with --retry-failed")
    if outcome.stopped:
        say(f"stopped: {outcome.stopped}; the same command goes on where this one left off")
        raise typer.Exit(exit_code_of_stop(outcome.stopped))
    return outcome


def settings_of(given: Launching) -> "Settings":
    from harness.mirror.mode import media_of, wandb_mode
    from harness.settings import Settings

    return Settings(
        workers=given.workers or 0,
        threads=given.threads,
        device=given.device,
        wandb=wandb_mode(given.wandb),
        media=media_of(given.media),
    )


def site_of(given: Launching) -> "Site":
    """Where to run; the password leaves the command line, of which W&B keeps a copy."""
    from harness.results.secrets import redact
    from harness.settings import Site

    sys.argv[:] = redact(sys.argv)
    options: dict[str, object] = {
        "gpus": given.gpus.split(",") if given.gpus else None,
        "per_gpu": given.per_gpu,
        "address": given.address,
        "slurm": dict(o.pair("--slurm", text, "partition=gpu") for text in given.slurm) or None,
    }
    asked = {name: value for name, value in options.items() if value is not None}
    storage = {"storage": given.storage} if given.storage else {}
    return Site(executor=given.executor, options=asked, **storage)


def places_of(given: Launching) -> "Places":
    return o.places(given.data, given.cache, given.runs)


def exit_code_of_stop(why: str) -> int:
    """As of the signal that stopped it; 143 for a request, 1 for a limit on failures."""
    from harness import cli

    return {"interrupted": cli.exit_on_stop, "cancelled": 143}.get(why, 1)


def command_typed() -> str:
    from harness import cli

    return shlex.join(["harness", *cli.typed])


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
