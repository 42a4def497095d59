"""The command line as its users run it: in a process of its own, or, quicker, in this one."""

import os
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

from harness.cli import COMMANDS, GROUPS, main

ROOT = Path(__file__).parents[1]
EVERY_COMMAND = [(name,) for name in COMMANDS] + [
    (group, name) for group in GROUPS for name in import_module(f"harness.cli.{group}").COMMANDS
]


def harness(*arguments: str, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "harness", *arguments]
    return subprocess.run(
        command,
        cwd=cwd,
        env=os.environ | {"COLUMNS": "200", "HARNESS_DATA": "data"} | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def harness_here(capsys, *arguments: object) -> subprocess.CompletedProcess:
    """The same without a process: what was printed, and the exit code."""
    words = [str(word) for word in arguments]
    capsys.readouterr()
    code = main(words)
    out, err = capsys.readouterr()
    return subprocess.CompletedProcess(words, code, out, err)


def copy_shipped(folder: Path) -> Path:
    """The experiments, sweeps and leaderboards that come with the project."""
    for name in ("experiments", "sweeps", "leaderboards"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("out"))
    return folder
