"""The command line: one file a command, each of them thin: parse, call one function, print.

Nothing heavy is imported before a command runs, so `--help` is instant. Exit codes: 0 done, 1
finished with failed cells, 2 user error, 130 Ctrl-C, 143 SIGTERM.
"""

import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import typer

from harness.errors import UserError

COMMANDS = (
    "plan", "run", "sweep", "ablate", "status", "cancel", "retry", "gc",
    "board", "importance", "runs", "show", "sync", "doctor", "schema", "demo",
)  # fmt: skip
GROUPS = ("data", "bench")  # folders of commands, each with COMMANDS and SUMMARY of its own
SUMMARY = """Benchmark two-stream video networks: YAML in, trained models and a leaderboard out.

Start with `harness demo`, or `harness run experiments/moving_shapes/late_average.yaml`.
"""


def app() -> typer.Typer:
    commands = _commands("harness.cli", COMMANDS, SUMMARY)
    for name in GROUPS:
        group: Any = import_module(f"harness.cli.{name}")
        commands.add_typer(_commands(group.__name__, group.COMMANDS, group.SUMMARY), name=name)
    return commands


def _commands(package: str, names: Sequence[str], summary: str) -> typer.Typer:
    commands = typer.Typer(
        help=summary,
        no_args_is_help=True,
        rich_markup_mode="markdown",
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    for name in names:
        module: Any = import_module(f"{package}.{name.replace('-', '_')}")
        commands.command(name)(module.command)
    return commands


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; a UserError becomes its line and exit code 2."""
    signal.signal(signal.SIGTERM, _terminate)
    typed[:] = sys.argv[1:] if arguments is None else arguments
    try:
        app()(args=arguments, standalone_mode=True)
    except UserError as error:
        print(f"harness: {error}".replace("\n", "\nharness: "), file=sys.stderr)
        return 2
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else 0
    return 0


def _terminate(*_: object) -> None:
    """SIGTERM as Ctrl-C, so that workers are asked to leave and checkpoints stand."""
    global exit_on_stop  # noqa: PLW0603 (a signal handler has no other place to say it)
    exit_on_stop = 143
    raise KeyboardInterrupt


exit_on_stop = 130
typed: list[str] = []  # the command line, for those who ask how to go on
