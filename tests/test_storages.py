"""Where trials are kept: every kind of storage ends with the cells that a journal ends with."""

import subprocess
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from optuna.storages import RDBStorage
from optuna.storages.journal import JournalFileOpenLock
from servers import PASSWORD, MariaDB, Postgres, Proxy
from shapes import TINY, write
from toy_executor import Toy

from harness.coordination.coordinator import Coordinator
from harness.coordination.executors.relay import Relay
from harness.coordination.launch import _queues
from harness.coordination.watchers import Silent
from harness.errors import UserError
from harness.places import Places
from harness.planning.plan import sweep_plan
from harness.results.store import load_all
from harness.search.storages import DRIVERS, open_storage, shown

SEARCH = """
name: search
arms: [tiny.yaml]
search:
  trials: %d
  sampler: {name: random, seed: 3}
  space:
    train.optimizer.lr: {float: [1e-4, 1e-2], log: true}
    model.fusion.name: {choice: [sum, conv]}
  enqueue: [{train.optimizer.lr: 1e-3, model.fusion.name: conv}]
confirm: {top_k: 2, seeds: [7, 8]}
"""


@pytest.fixture(scope="module")
def plan(tmp_path_factory, depth):
    """Of 16 cells, or of 40."""
    folder = tmp_path_factory.mktemp("plan")
    write(folder, "tiny.yaml", TINY)
    return sweep_plan(write(folder, "search.yaml", SEARCH % depth(12, 36)))


@pytest.fixture
def places(plan, tmp_path):
    return Places(data=(tmp_path,), cache=tmp_path / "cache", runs=tmp_path / "runs")


class Server(Silent):
    """Goes away at the given epochs, counted over all trainings; comes back once it is missed."""

    def __init__(self, kill, start, away_at=()):
        self.kill, self.start, self.away_at = kill, start, list(away_at)
        self.notes, self.epochs = [], 0

    def note(self, text):
        self.notes.append(text)
        if "does not answer" in text:
            self.start()

    def progress(self, _cell, facts):
        self.epochs += "epoch" in facts
        if self.away_at and self.epochs == self.away_at[0]:
            self.away_at.pop(0)
            self.kill()


def search(plan, places, url, watcher=None, epochs=3):
    """A search of toy trainings: (trial, stage, key, metrics) of every record."""
    watcher = watcher or Silent()
    folder = places.runs / plan.name
    folder.mkdir(parents=True, exist_ok=True)
    relay = Relay(Toy(places.runs, epochs=epochs))
    never = lambda _cell, _record: False  # noqa: E731
    with open_storage(url, folder, meanwhile=relay.meanwhile, note=watcher.note) as storage:
        Coordinator(folder, 2, watcher, relay, never).run(_queues(plan, places, storage))
    records = load_all(places.runs)
    assert max(starts(places).values()) == 1
    return sorted(((r.trial, r.stage, r.seed, r.key, r.metrics) for r in records), key=str)


def starts(places):
    logs = {log.parent.name: log.read_text() for log in places.runs.glob("*/*/log.jsonl")}
    return {key: text.count('"event": "start"') for key, text in logs.items()}


@pytest.fixture
def by_journal(plan, places, tmp_path):
    return search(plan, replace(places, runs=tmp_path / "by_journal"), "journal")


@pytest.fixture
def postgres():
    with at_work(Postgres) as server:
        yield server


@pytest.fixture(params=[Postgres, MariaDB])
def database(request):
    with at_work(request.param) as server:
        yield server


@contextmanager
def at_work(kind):
    """In a folder of its own: every start of pytest shuts that of all others to other users."""
    with tempfile.TemporaryDirectory() as folder:
        server = kind(Path(folder))
        try:
            yield server
        finally:
            server.kill()


def test_a_database_killed_in_the_middle_ends_with_the_same_cells(
    plan, places, database, by_journal
):
    server = Server(database.kill, database.start, away_at=(4, 17))
    assert search(plan, places, database.url, server) == by_journal
    name = shown(database.url)
    gone, back = (
        f"storage: {name} does not answer; trainings go on",
        f"storage: {name} answers again",
    )
    assert server.notes == [gone, back] * 2
    scheme, _, rest = database.url.partition(":")
    trials = trials_of(f"{DRIVERS[scheme]}:{rest}")
    assert [trial.state.name for trial in trials] == ["COMPLETE"] * plan.search.trials


def trials_of(url):
    storage = RDBStorage(url)
    [study] = storage.get_all_studies()
    trials = storage.get_all_trials(study._study_id)
    storage.remove_session()
    storage.engine.dispose()
    return trials


def test_two_folders_share_a_database_and_no_study(plan, places, tmp_path, by_journal):
    url = f"sqlite:///{tmp_path}/trials.db"
    assert search(plan, places, url) == by_journal
    assert search(plan, replace(places, runs=tmp_path / "elsewhere"), url) == by_journal
    with open_storage(url, places.runs, meanwhile=pytest.fail, note=pytest.fail) as storage:
        assert len(storage.get_all_studies()) == 2


def test_a_journal_elsewhere(plan, places, tmp_path, by_journal):
    assert search(plan, places, f"journal:{tmp_path}/trials.journal") == by_journal
    assert (tmp_path / "trials.journal").is_file()
    assert not list(places.runs.glob("*/study.journal"))


def test_a_lock_that_a_killed_coordinator_left_is_gone(plan, places, tmp_path, by_journal):
    """Of the plan's own journal; who has locked one that is shared may be alive."""
    folder, shared = places.runs / plan.name, tmp_path / "shared"
    folder.mkdir(parents=True)
    for path in (folder / "study.journal", shared):
        JournalFileOpenLock(str(path)).acquire()
    [left] = folder.iterdir()
    with open_storage("journal", folder, meanwhile=pytest.fail, note=pytest.fail):
        assert not left.exists()
    left.touch()
    assert search(plan, places, "journal") == by_journal
    with open_storage(f"journal:{shared}", folder, meanwhile=pytest.fail, note=pytest.fail):
        assert shared.with_name("shared.lock").exists()


def test_a_database_that_was_lost_is_filled_again(plan, places, tmp_path, by_journal):
    """What a search proposed stands beside its records; another storage learns it from there."""
    smaller = replace(plan, search=replace(plan.search, trials=5))
    search(smaller, places, f"sqlite:///{tmp_path}/first.db")
    assert search(plan, places, f"sqlite:///{tmp_path}/second.db")[: len(by_journal)]
    assert len(trials_of(f"sqlite:///{tmp_path}/second.db")) == plan.search.trials


def test_a_proxy_killed_in_the_middle_ends_with_the_same_cells(plan, places, tmp_path, by_journal):
    proxy = Proxy(tmp_path)
    try:
        server = Server(proxy.kill, proxy.start, away_at=(7,))
        assert search(plan, places, proxy.url, server) == by_journal
        assert len(server.notes) == 2
    finally:
        proxy.kill()


def test_no_password_is_written_anywhere(plan, tmp_path, postgres):
    """The command as a user runs it, W&B's offline run included, and then its error."""
    write(tmp_path, "tiny.yaml", TINY)
    path = write(tmp_path, "search.yaml", SEARCH % 1)
    command = [
        sys.executable, "-m", "harness", "sweep", str(path), "--storage", postgres.url,
        "--set", "search.trials=1", "--set", "confirm={top_k: 1, seeds: [7]}",
        "--set", "set={train.epochs: 1}",
        "--runs", str(tmp_path / "runs"), "--cache", str(tmp_path / "cache"),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    postgres.kill()
    refused = subprocess.run(command, capture_output=True, text=True, check=False)
    assert refused.returncode == 2
    assert "storage postgresql://harness:[hidden]@127.0.0.1" in refused.stderr
    said = done.stdout + done.stderr + refused.stdout + refused.stderr
    assert PASSWORD not in said
    files = [path for path in (tmp_path / "runs").rglob("*") if path.is_file()]
    assert any(path.suffix == ".wandb" for path in files)
    assert [path for path in files if PASSWORD.encode() in path.read_bytes()] == []


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgres://a:secret-word@b/c", "'postgres://a:[hidden]@b/c': did you mean 'postgresql'?"),
        ("journals", "did you mean 'journal'?"),
        ("grpc://host", "a proxy is grpc://host:port"),
        ("mysql://me:secret-word@127.0.0.1:1/x", "://me:[hidden]@127.0.0.1:1/x cannot be opened"),
    ],
)  # fmt: skip
def test_a_wrong_url_is_one_clear_line(tmp_path, url, said):
    opening = open_storage(url, tmp_path, meanwhile=pytest.fail, note=pytest.fail)
    with pytest.raises(UserError) as raised, opening:
        pass
    assert said in str(raised.value)
    assert "secret-word" not in str(raised.value)
    assert "\n" not in str(raised.value)
