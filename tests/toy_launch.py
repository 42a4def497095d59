"""The command line with toy trainings: no data is prepared, no network is built."""

import pytest
from command_line import harness_here
from shapes import TINY, write
from toy_executor import Toy, top1

from harness.coordination import launch

SEARCH = """
name: search
arms: [tiny.yaml]
search:
  trials: 5
  sampler: {name: random, seed: 3}
  space: {train.optimizer.lr: {float: [1e-4, 1e-2], log: true}}
confirm: {top_k: 1, seeds: [7, 8]}
"""
SWEEP = """
name: pair
arms:
  - {base: tiny.yaml, name: good}
  - {base: tiny.yaml, name: other, set: {model.fusion: sum}}
seeds: [0, 1]
"""


def measured(cell, epoch):
    metrics = top1(cell, epoch)
    return metrics | ({"test/top1": metrics["val/top1"]} if cell.opens_test else {})


class Unasked(Toy):
    def ask(self, question, *arguments):
        """Whether options and networks are right is asked elsewhere."""


@pytest.fixture
def toy_here(tmp_path, monkeypatch, capsys):
    """`toy_here(*words, **toy)`: a command in a folder of its own, and how its trainings behave."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WANDB_MODE", "disabled")
    for name, text in (("tiny", TINY), ("search", SEARCH), ("pair", SWEEP)):
        write(tmp_path, f"{name}.yaml", text)
    monkeypatch.setattr(launch, "_prepare", lambda *_: {})

    def run(*words, executor=Unasked, **toy):
        toy = {"measure": measured} | toy

        def opened(_site, places, _settings, _note):
            return executor(places.runs, **toy)

        monkeypatch.setattr(launch, "open_executor", opened)
        return harness_here(capsys, *words)

    return run
