"""`harness plan`: what it counts, what it estimates, what it refuses, and what it never imports."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from command_line import ROOT
from fake_records import record
from shapes import TINY, write

from harness.coordination.worker import check_all
from harness.places import Places
from harness.planning.likeness import agrees
from harness.planning.parts import parts_of
from harness.planning.plan import sweep_plan
from harness.results.record import Record
from harness.results.store import folder_of, save
from harness.source import prepare_source

SWEEP = """
name: two
arms:
  - {base: tiny.yaml, grid: {model.fusion: [sum, conv]}}
seeds: [0, 1]
"""
SEARCH = """
name: looking
arms: [tiny.yaml]
search:
  LIMIT
  space:
    model.fusion.name: {choice: [sum, conv]}
    train.optimizer.lr: {float: [1e-4, 1e-2], log: true}
confirm: {top_k: 2, seeds: [7, 8, 9]}
"""


@pytest.fixture
def places(here, tmp_path):
    """Where the command runs: an empty folder but for one experiment."""
    write(tmp_path, "tiny.yaml", TINY)
    return Places(data=(tmp_path / "data",), cache=Path("cache"), runs=Path("runs"))


@pytest.fixture
def planned(here, places):
    """The rows of a file as the command gives them in JSON."""

    def rows(*words):
        done = here("plan", *words, "--format", "json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return rows


def leave(cell, places, **changes):
    """A record of a cell, as a training would leave it."""
    facts = {
        "status": "done",
        "data_hash": "then",
        "cost": {"seconds/fit": 8.0},
        "clips": {"train": 36},
        "started": "2026-01-01T00:00:00Z",
        "seconds": 10.0,
    }
    record = Record(**(cell.names() | facts | changes))
    save(record, folder_of(places.runs, record.plan, record.key))
    return record


def test_torch_is_not_imported_and_nothing_is_written(tmp_path):
    """In a process as users start it, on every shipped file that needs no videos.

    Optuna is, in a quarter of a second, where a search's sampler is to be held against its options.
    """
    code = (
        "import sys; from harness.cli import main; code = main(sys.argv[1:]);"
        "print(code, sorted({'torch', 'optuna', 'pandas', 'wandb'} & set(sys.modules)))"
    )
    for name in ("sweeps/demo.yaml", "sweeps/fusion_search.yaml", "experiments/moving_shapes"):
        file = ROOT / name if name.endswith("yaml") else ROOT / name / "ablation.yaml"
        command = [sys.executable, "-c", code, "plan", str(file)]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
        known = ["optuna"] if "search" in name else []
        assert done.stdout.splitlines()[-1] == f"0 {known}", done.stdout + done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_row_for_each_arm_on_each_data_set(here, planned, tmp_path):
    rows = planned(write(tmp_path, "two.yaml", SWEEP + "data: [{task: bind}, {task: xor}]\n"))
    assert [(row["arm"], row["dataset"]) for row in rows] == [
        ("tiny fusion=sum", "moving_shapes/bind"),
        ("tiny fusion=sum", "moving_shapes/xor"),
        ("tiny fusion=conv", "moving_shapes/bind"),
        ("tiny fusion=conv", "moving_shapes/xor"),
    ]
    for row in rows:
        assert (row["seeds"], row["cells"], row["done"], row["to_train"]) == ("0 1", 2, 0, 2)
        assert (row["stale"], row["seconds"], row["basis"]) == (None, None, "unknown")
    shown = here("plan", tmp_path / "two.yaml").stdout
    assert "| total " in shown
    assert "not prepared yet" in shown
    assert "unknown" in shown


def test_what_is_recorded_failed_or_stale_is_counted(planned, places, tmp_path):
    file = write(tmp_path, "two.yaml", SWEEP)
    plan = sweep_plan(file)
    (sum_0, sum_1), (conv_0, conv_1) = plan.by_task(places)
    data = plan.tasks[0].experiment.data
    source = prepare_source(data, places, workers=1, progress=lambda *_: None)
    leave(sum_0, places, data_hash=source.cache.hash)
    leave(sum_1, places, status="failed", data_hash="")
    leave(conv_0, places)
    leave(conv_1, places, status="cancelled", data_hash="")  # never had any
    counts = ("cells", "done", "failed", "stale", "to_train")
    first, second = ([row[name] for name in counts] for row in planned(file))
    assert first == [2, 1, 1, 0, 0]
    assert second == [2, 1, 0, 1, 1]


def test_time_and_disk_rest_on_records_of_like_cells(planned, places, tmp_path):
    file = write(tmp_path, "two.yaml", SWEEP)
    (sum_0, _), _ = sweep_plan(file).by_task(places)
    record = leave(sum_0, places)
    folder = folder_of(places.runs, "two", sum_0.key)
    (folder / "last.ckpt").write_bytes(bytes(5000))
    each = sum(path.stat().st_size for path in folder.iterdir())
    same, other = planned(file)
    assert (same["basis"], same["seconds"], same["bytes"]) == ("same arm (1)", 10.0, each)
    assert (other["basis"], other["seconds"]) == ("same data set (1)", 20.0)
    longer, _ = planned(file, "--set", "set={train.epochs: 6}")  # 3 times as many
    assert (longer["basis"], longer["seconds"]) == ("same arm (1)", 2 * (3 * 8.0 + 2.0))
    larger, _ = planned(file, "--set", "set={data.train: 96}")  # twice as many
    assert (larger["basis"], larger["seconds"]) == ("same data set (1)", 2 * 20.0)
    assert planned(file, "--set", "name=else")[0]["basis"] == "same arm (1)"
    apart = replace(record, dataset="other", key="else")
    save(apart, folder_of(places.runs, "two", "else"))
    assert planned(file)[0]["basis"] == "same arm (1)"


def logged(*moments):
    """A cell's log: what happened, and at which second."""
    return [
        {"event": e, "time": f"2026-01-01T00:00:{s:02}+00:00", **facts} for e, s, facts in moments
    ]


FIRST = {"step": 1, "steps": 6}


@pytest.mark.parametrize(
    ("log", "parts"),
    [
        # 5 of the 6 steps took 5 seconds, so that all took 6, of 20 in all; 3 are what comes after.
        ((("start", 0, {}), ("step", 12, FIRST), ("epoch", 17, {})), (14.0, 6.0, 3.0)),
        ((("start", 0, {}), ("step", 2, FIRST), ("epoch", 30, {})), (0.0, 20.0, 3.0)),
        ((("start", 0, {}), ("step", 12, {"step": 1, "steps": 1}), ("epoch", 17, {})), None),
        ((("start", 0, {}), ("step", 12, FIRST), ("start", 1, {}), ("epoch", 17, {})), None),
        ((), None),
    ],
)
def test_what_a_start_took_is_told_apart(log, parts):
    told = parts_of(record(cost={"seconds/fit": 20.0}, seconds=23.0), logged(*log))
    assert told == (parts or (0.0, 20.0, 3.0))
    assert told.scaled(2.0, 10.0) == told.start + 10 * (2 * told.steps + 3.0)


def test_what_is_planned_twice_and_what_is_missing_is_told_at_once(here, places, tmp_path):
    twice = "name: s\narms:\n  - tiny.yaml\n  - {base: tiny.yaml, name: again}\n"
    done = here("plan", write(tmp_path, "twice.yaml", twice))
    assert done.returncode == 2
    assert "twice.yaml:4: arms 'tiny' (" in done.stderr
    assert "twice.yaml:3) and 'again' are the same training on moving_shapes" in done.stderr
    missing = (
        "name: s\narms:\n  - {base: tiny.yaml, set: {train.init_from: gone.pt}}\n"
        "  - {base: tiny.yaml, name: few, set: {data.train: 2}}\n"
    )
    done = here("plan", write(tmp_path, "missing.yaml", missing))
    assert done.returncode == 2
    first, second = done.stderr.splitlines()
    assert "missing.yaml:3: train.init_from: no such file 'gone.pt'" in first
    assert "missing.yaml:4: data.train: moving_shapes/direction takes at least 4, got 2" in second


def test_options_that_are_not_there_are_told_without_torch(here, places, tmp_path):
    """Of an arm, a data set and a search's choices, at once and with what else is wrong."""
    wrong = SEARCH.replace("LIMIT", "trials: 2").replace("optimizer.lr", "optimizer.lrr")
    wrong += "set: {model.fusion: {name: conv, kernal_size: 3}}\ndata: [{tsak: bind}]\n"
    done = here("plan", write(tmp_path, "looking.yaml", wrong))
    lines = done.stderr.replace(f"{tmp_path}/", "").splitlines()
    for line in (
        "looking.yaml:8: train.optimizer.lrr: optimizer 'adamw' has no such option; did",
        "looking.yaml:10: model.fusion.kernal_size: fusion 'conv' has no such option; did",
        "looking.yaml:11: data.tsak: dataset 'moving_shapes' has no such option; did",
    ):
        assert any(line in told for told in lines), (line, lines)


def test_every_format_and_a_file(here, places, tmp_path):
    assert here("plan", "tiny.yaml", "-f", "csv").stdout.startswith(
        "arm,dataset,split,seeds,trials"
    )
    assert here("plan", "tiny.yaml", "-o", "plan.md").returncode == 0
    assert "| tiny " in (tmp_path / "plan.md").read_text()
    assert "did you mean 'tiny.yaml'?" in here("plan", "tinny.yaml").stderr


def test_deep_finds_what_only_the_networks_can_tell(here, places, tmp_path, monkeypatch):
    """As a launch does, but without the server that imports torch: it is here already."""
    from harness.coordination.executors.local import Local

    asked = []
    monkeypatch.setattr(Local, "ask", lambda _, question, *args: asked.append((question, args)))
    assert here("plan", "tiny.yaml", "--deep").returncode == 0
    assert here("plan", "tiny.yaml").returncode == 0
    [(question, (experiments, given))] = asked
    assert question is check_all
    assert [experiment.name for experiment, _ in experiments] == ["tiny"]
    assert given == places


def test_deep_builds_every_choice_of_a_search(here, places, tmp_path, monkeypatch):
    from harness.coordination.executors.local import Local

    monkeypatch.setattr(Local, "ask", lambda _, question, *arguments: question(*arguments))
    wrong = "    model.fusion.kernel: {choice: [3], when: {model.fusion.name: conv}}\nconfirm"
    text = SEARCH.replace("LIMIT", "trials: 2").replace("confirm", wrong)
    done = here("plan", write(tmp_path, "looking.yaml", text), "--deep")
    assert done.returncode == 2
    [line] = done.stderr.splitlines()
    assert "looking.yaml:9: model.fusion.kernel: fusion 'conv' has no such option" in line


def test_a_record_agrees_where_it_says_the_same_and_more():
    wanted = {"model": {"fusion": {"name": "sum"}}, "train": {"epochs": 3}}
    found = {"model": {"fusion": {"name": "sum", "at": "last"}}, "train": {"epochs": 3}}
    assert agrees(wanted, found, ())
    assert not agrees(found, wanted, ())
    assert agrees(found, wanted, {"model.fusion"})
    assert not agrees(wanted, found | {"train": None}, ())
