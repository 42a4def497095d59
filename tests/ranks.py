"""Trainings of several processes, led by hand."""

import torch
from shapes import TINY, write

from harness.coordination.executors.contract import End
from harness.coordination.executors.local import Local
from harness.places import Places
from harness.planning.plan import experiment_plan
from harness.results.store import load
from harness.settings import Settings
from harness.source import prepare_source
from harness.train.channel import GO

HOW = Settings(wandb="disabled", device="cpu")


def workspace_in(folder):
    """One cache of videos for all tests of a file."""
    given = folder, write(folder, "tiny.yaml", TINY)
    source_of(*cell_in(given, folder / "runs"))
    return given


def planned(workspace, runs, *overrides):
    folder, path = workspace
    return experiment_plan(path, overrides), Places(
        data=(folder,), cache=folder / "cache", runs=runs
    )


def cell_in(workspace, runs, *overrides):
    plan, places = planned(workspace, runs, *overrides)
    return plan.cells(places)[0], places


def source_of(cell, places):
    data = cell.experiment().data
    return prepare_source(data, places, workers=1, progress=lambda *_: None)


def led(cell, places, judge=lambda _: GO, happens=lambda _: None) -> str:
    """A training on this machine to its end, which is told; `judge` answers every epoch."""
    local = Local(places, HOW)
    local.start(cell)
    while True:
        for event in local.events(60.0):
            if isinstance(event, End):
                return event.death
            happens(local)
            if event.event == "epoch":
                local.answer(cell.key, judge(event.facts))


def weights(cell, places) -> dict[str, torch.Tensor]:
    path = places.runs / cell.plan / cell.key / "last.ckpt"
    return torch.load(path, weights_only=True)["state_dict"]


def record(cell, places):
    return load(places.runs / cell.plan / cell.key / "record.json")


def log_of(cell, places):
    return places.runs / cell.plan / cell.key / "log.jsonl"
