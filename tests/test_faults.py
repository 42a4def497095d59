"""A sweep that is killed, starved of disk and robbed of its journal ends as an undisturbed one."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from processes import wait_for_epochs, workers_of
from shapes import TINY, write

from harness.results.record import Record
from harness.results.store import load_all

SWEEP = """
name: faults
arms: [tiny.yaml]
search:
  trials: 36
  sampler: %s
  pruner: %s
  space:
    train.optimizer.lr: {float: [1e-4, 1e-2], log: true}
    model.fusion.name: {choice: [sum, conv]}
confirm: {top_k: 2, seeds: [7, 8]}
"""
CELLS = 40


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("faults")
    write(folder, "tiny.yaml", TINY)
    write(folder, "faults.yaml", SWEEP % ("{name: random, seed: 5}", "none"))
    pruner = "{name: median, n_startup_trials: 4, n_warmup_steps: 0}"
    write(folder, "pruned.yaml", SWEEP % ("tpe", pruner))
    return folder


@pytest.fixture(scope="module")
def undisturbed(folder):
    """The metrics of every cell by key, of a sweep that was left in peace."""
    runs = folder / "undisturbed"
    begun = command(folder, "faults.yaml", runs)
    done = subprocess.run(begun, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return {record.key: record.metrics for record in load_all(runs)}


@pytest.fixture
def disk(tmp_path):
    """A file system of 96 MB of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=96m", "tmpfs", folder]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a file system cannot be mounted here; run as root")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def command(folder: Path, file: str, runs: Path) -> list[str]:
    return [
        sys.executable, "-m", "harness", "sweep", str(folder / file),
        "--wandb", "disabled", "--device", "cpu", "--workers", "2",
        "--runs", str(runs), "--cache", str(folder / "cache"),
    ]  # fmt: skip


class Round:
    """One sweep, started again after every fault."""

    def __init__(self, folder: Path, file: str, disk: Path, seed: int) -> None:
        self.disk, self.runs = disk, disk / "runs"
        self.command = command(folder, file, self.runs)
        self.random = random.Random(seed)

    def start(self) -> subprocess.Popen:
        """Begin, and wait until some more epochs are through."""
        process = subprocess.Popen(
            self.command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        wait_for_epochs(self.runs, self.random.randint(1, 12), process)
        time.sleep(self.random.random())
        return process

    def kill_a_worker(self) -> None:
        process = self.start()
        for pid in self.random.sample(workers := workers_of(self.runs), min(1, len(workers))):
            os.kill(pid, signal.SIGKILL)
        wait_for_epochs(self.runs, 2, process)
        self.kill(process)

    def kill_the_coordinator(self) -> None:
        self.kill(self.start())

    def kill_everything(self) -> None:
        process = self.start()
        for pid in workers_of(self.runs):
            os.kill(pid, signal.SIGKILL)
        self.kill(process)

    def fill_the_disk(self) -> None:
        """The coordinator says so in one line, leaves with 2, and nothing is recorded as failed."""
        process = self.start()
        filler = self.disk / "filler"
        with filler.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(b"\0" * 4096)
            except OSError:
                pass
        _, said = process.communicate(timeout=120)
        filler.unlink()
        if process.returncode != 0:  # it had not finished already
            assert process.returncode == 2, said
            assert "the disk is full" in said
            assert "Traceback" not in said

    def cut_the_journal(self) -> None:
        """Anywhere, as a file system may that lost its last blocks."""
        self.kill(self.start())
        journal = self.runs / "faults/study.journal"
        if journal.is_file():
            os.truncate(journal, self.random.randint(0, journal.stat().st_size))

    def terminate(self) -> None:
        process = self.start()
        process.terminate()
        process.communicate(timeout=120)
        assert process.returncode in (143, 0)

    def kill(self, process: subprocess.Popen) -> None:
        process.kill()
        process.communicate()

    def finish(self) -> None:
        done = subprocess.run(self.command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


FAULTS = [Round.kill_a_worker, Round.fill_the_disk, Round.cut_the_journal]  # two kill both
MORE = [Round.kill_the_coordinator, Round.kill_everything, Round.terminate]


SOAK = bool(os.environ.get("HARNESS_SOAK"))
ROUNDS = range(20 if SOAK else 2)
pytestmark = pytest.mark.timeout(900)  # every fault is a start of the program


def suffered(folder: Path, file: str, disk: Path, seed: int) -> list[Record]:
    """The records of a sweep that met every fault; no cell was trained twice."""
    print("seed", seed)
    sweep = Round(folder, file, disk, seed)
    faults = [*FAULTS, *MORE] if SOAK else FAULTS
    for fault in sweep.random.sample(faults, len(faults)):
        fault(sweep)
    sweep.finish()
    for log in sweep.runs.glob("*/*/log.jsonl"):
        events = events_of(log)
        assert events.count("finish") <= 1, log
        epochs = [event for event in events if isinstance(event, int)]
        assert len(epochs) == len(set(epochs)), log
    return load_all(sweep.runs)


@pytest.mark.parametrize("turn", ROUNDS[::2])
def test_forty_cells_survive_every_fault(folder, disk, undisturbed, turn):
    records = suffered(folder, "faults.yaml", disk, turn)
    assert len(records) == len(undisturbed) == CELLS
    assert {record.key: record.metrics for record in records} == undisturbed
    assert Counter(record.status for record in records) == {"done": CELLS}


@pytest.mark.parametrize("turn", ROUNDS[1::2])
def test_so_do_those_that_depend_on_one_another(folder, disk, turn):
    """With TPE and a pruner: no trial is lost or repeated, and the best are confirmed."""
    records = suffered(folder, "pruned.yaml", disk, turn)
    assert Counter(record.stage for record in records) == {"search": 36, "confirm": 4}
    searched = [record for record in records if record.stage == "search"]
    assert sorted(record.trial for record in searched) == list(range(36))
    assert {record.status for record in searched} == {"done", "pruned"}


def events_of(log: Path) -> list[str | int]:
    """The kinds of a cell's events, and the numbers of its epochs; torn lines say nothing."""
    events: list[str | int] = []
    for line in log.read_text().splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            continue
        events.append(event["epoch"] if event["event"] == "epoch" else event["event"])
    return events
