"""Searches on the toy executor, and what they left behind."""

from collections import Counter
from pathlib import Path

import optuna
from shapes import TINY, write
from toy_executor import Toy, coordinate

from harness.coordination.watchers import Silent
from harness.places import Places
from harness.planning.plan import Plan, sweep_plan
from harness.results.record import Record
from harness.results.store import load
from harness.search.storages import journal


class Notes(Silent):
    def __init__(self):
        self.notes: list[str] = []

    def note(self, text):
        self.notes.append(text)


def places_in(folder: Path, runs: str = "runs") -> Places:
    return Places(data=(folder,), cache=folder / "cache", runs=folder / runs)


def search(folder: Path, text: str, **arm: str) -> Plan:
    """A sweep of the tiny experiment with this `search:` section, lines indented by two."""
    write(folder, "tiny.yaml", TINY)
    lines = "".join(f"{key}: {value}\n" for key, value in arm.items())
    file = f"name: s\narms: [tiny.yaml]\n{lines}search:\n{text}\nconfirm: {{seeds: [7]}}\n"
    return sweep_plan(write(folder, "s.yaml", file))


def run(plan: Plan, places: Places, toy: Toy | None = None, workers: int = 2) -> list[str]:
    """To the end; what was noted."""
    watcher = Notes()
    coordinate(plan, places, toy or Toy(places.runs), workers=workers, watcher=watcher)
    return watcher.notes


def records(places: Places, stage: str = "search") -> list[Record]:
    found = [load(path) for path in places.runs.glob("s/*/record.json")]
    return sorted((r for r in found if r.stage == stage), key=lambda r: r.trial)


def trials(places: Places) -> list[optuna.trial.FrozenTrial]:
    return trials_in(places.runs / "s")


def trials_in(folder: Path) -> list[optuna.trial.FrozenTrial]:
    storage = journal(folder)
    [name] = optuna.get_all_study_names(storage)
    return optuna.load_study(study_name=name, storage=storage).trials


def states(places: Places) -> Counter:
    return Counter(trial.state.name for trial in trials(places))
