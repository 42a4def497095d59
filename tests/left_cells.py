"""The folder of a plan as trainings leave it, without a training: logs, records, nothing else."""

import json
import subprocess
from pathlib import Path
from typing import Any

from fake_records import record
from wandb.util import get_core_path

from harness.cell import Cell
from harness.files import append_line
from harness.mirror.replay import cell_of
from harness.results.store import save

FACTS = {"plan": "left", "stage": "search", "arm": "conv"}


def cell(key: str, **changes: Any) -> Cell:
    return cell_of(record(key=key, **{**FACTS, **changes}))


def logged(plan: Path, key: str, *epochs: int) -> None:
    """Epochs in a cell's log; their metrics tell when they were logged."""
    folder = plan / key
    folder.mkdir(parents=True, exist_ok=True)
    append_line(folder / "log.jsonl", {"event": "start", "key": key})
    for epoch in epochs:
        told = {"train/loss": 1 / epoch, "val/top1": epoch / 10}
        append_line(folder / "log.jsonl", {"event": "epoch", "epoch": epoch, "metrics": told})


def left(plan: Path, key: str, epochs: int = 3, **changes: Any) -> Path:
    """A finished cell, whose last evaluation was better than its last epoch."""
    logged(plan, key, *range(1, epochs + 1))
    metrics = {"val/top1": 0.9, "train/loss": 0.1} if epochs else {}
    facts = {**FACTS, "metrics": metrics, "trial": 3, "config": {"train": {"epochs": epochs}}}
    save(record(key=key, **{**facts, **changes}), plan / key)
    return plan / key


def inspect(place: Path, *options: str) -> str:
    """What `wandb leet inspect` says of a run's file, without the second that it takes to start."""
    [file] = place.glob("run-*.wandb")
    command = [get_core_path(), "leet", "inspect", "--no-observability", "--json", *options]
    command += ["--run-file", str(file), str(place.parent)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def mirrored(plan: Path) -> dict[str, list[dict[str, Any]]]:
    """By run id, each directory that there is of it: its summary, with "steps" and "run" added."""
    found: dict[str, list[dict[str, Any]]] = {}
    for place in sorted(plan.glob("wandb/offline-run-*")):
        summary = json.loads(inspect(place, "--summary"))
        entries = [json.loads(line) for line in inspect(place).splitlines()]
        summary["steps"] = [e["history"]["item"] for e in entries if e["type"] == "history"]
        summary["run"] = next(e["run"] for e in entries if e["type"] == "run")
        found.setdefault(summary["run_id"], []).append(summary)
    return found
