"""The fastest tile of a convolution on this machine: measured at its first call, then remembered.

Choices are kept in the user's cache, beside the compiled kernels: one file for each processor and
state of the kernels. The first process that asks for a convolution measures it, others wait.
"""

import json
import logging
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock
from torch import Tensor

from harness.convs.algorithms.tile_race import Task, candidates, fastest
from harness.convs.algorithms.tiles import Tile
from harness.convs.geometry import Conv, times
from harness.convs.native.library import cache_folder, kernels
from harness.convs.tracing import is_eager
from harness.cpu import cpu_model
from harness.errors import UserError
from harness.files import digest, write_json

log = logging.getLogger("harness")

_chosen: dict[Task, Tile] = {}  # in this process


def tuned(
    conv: Conv, shape: Sequence[int], padding: tuple[int, ...], values: Tensor
) -> Tile | None:
    """The fastest tile for inputs of `shape`, measured if no process has done so before.

    None where native code does not compute with the like of `values`, and is not measured: they are
    traced, or on a GPU, for example. Of a dry run, on the meta device, what this process knows.
    """
    if not is_eager(values) or 0 in shape or (found := kernels()).library is None:
        return None
    batch, _, *size = shape
    task = Task(
        conv.kernel_size,
        padding,
        conv.in_channels,
        conv.out_channels,
        tuple(size),
        batch,
        torch.get_num_threads(),
        found.instruction_set,
    )
    if values.is_meta:
        return _chosen.get(task)
    if values.device.type != "cpu" or values.dtype == torch.float64:
        return None
    tile = _chosen.get(task)
    if tile is None:
        tile = _chosen.setdefault(task, _settle(task))
    choices: set[str] = getattr(conv, "choices", set())
    choices.add(times(tile))
    return tile


def _settle(task: Task) -> Tile:
    """From the file, or else measured, while other processes wait, and written there."""
    tile: Tile | None = None
    try:
        path = _file(task)
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock")):
            kept = _read(path)
            tile = tuple(kept.get(str(task), ()))
            if tile not in candidates(task):
                _say(
                    f"measuring Winograd's tiles for new convolutions, once; kept in {path.parent}"
                )
                tile = fastest(task)
                write_json(path, _made_for() | {"tiles": kept | {str(task): tile}})
    except (OSError, RuntimeError, UserError) as error:  # RuntimeError: no home, no locks
        _say(f"Winograd's tiles are measured for this process alone: {error}")
    return tile or fastest(task)


def _file(task: Task) -> Path:
    return cache_folder() / f"tiles-{task.instruction_set}-{digest(_made_for())[:16]}.json"


def _made_for() -> dict[str, Any]:
    path = kernels().path
    return {"cpu": cpu_model(), "kernels": None if path is None else path.name}


def _read(path: Path) -> dict[str, list[Any]]:
    """Tiles by tasks; none, with a warning, of a file that is not as it was written."""
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return {}
    try:
        content = json.loads(text)
        kept: dict[str, list[Any]] = content.pop("tiles")
        whole = content == _made_for() and all(isinstance(tile, list) for tile in kept.values())
    except (ValueError, LookupError, TypeError, AttributeError):
        whole = False
    if not whole:
        log.warning("%s is damaged: its tiles are measured again", path)
    return kept if whole else {}


@cache
def _say(text: str) -> None:
    """Once in a process."""
    log.warning("%s", text)
