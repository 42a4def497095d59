"""Checkpoints: the best of each arm stay, the quota holds, and gc finds what nobody needs."""

import json
import os

import pytest
from fake_records import record
from hypothesis import given
from hypothesis import strategies as st
from shapes import write
from toy_launch import SEARCH, Unasked

from harness.coordination import retention
from harness.coordination.lock import owned
from harness.coordination.planlog import PlanLog
from harness.coordination.retention import Rule, ranked
from harness.results.store import load_all, save


class Saves(Unasked):
    """Every training leaves a checkpoint of 1 kB."""

    def start(self, cell):
        super().start(cell)
        (self._trainings[cell.key].folder / "last.ckpt").write_bytes(bytes(1000))


def kept(runs):
    return {
        path.parent.name for path in runs.glob("*/*/last.ckpt") if ".old" not in path.parent.name
    }


def by_arm(runs, metric="val/top1"):
    arms: dict = {}
    for r in load_all(runs):
        arms.setdefault(r.arm, []).append((-r.metrics[metric], r.key))
    return {arm: [key for _, key in sorted(cells)] for arm, cells in arms.items()}


def seeded(cell, epoch):
    value = (cell.seed * 7 % 5) / 10 + (cell.arm == "good") / 100
    return {"val/top1": value, "test/top1": value}


def test_each_arm_keeps_the_checkpoints_of_its_best(toy_here, tmp_path):
    words = ("sweep", "pair.yaml", "--set", "seeds=[0,1,2,3]", "--policy", "keep={best: 2}")
    toy_here(*words, executor=Saves, measure=seeded)
    best = {key for cells in by_arm(tmp_path / "runs").values() for key in cells[:2]}
    assert kept(tmp_path / "runs") == best
    assert len(load_all(tmp_path / "runs")) == 8
    # Launched again, with nothing to train: what a kill left beyond the rule goes.
    [worst, *_] = {record.key for record in load_all(tmp_path / "runs")} - best
    (tmp_path / "runs/pair" / worst / "last.ckpt").write_bytes(bytes(1000))
    assert "0 trained now" in toy_here(*words, executor=Saves, measure=seeded).stderr
    assert kept(tmp_path / "runs") == best
    # So does what a stricter rule leaves no room for.
    toy_here(*words[:3], "seeds=[4]", "--policy", "keep={best: 1}", executor=Saves, measure=seeded)
    assert kept(tmp_path / "runs") == {c[0] for c in by_arm(tmp_path / "runs").values()}


def test_all_stay_by_default_and_where_there_is_no_value(toy_here, tmp_path):
    toy_here("sweep", "pair.yaml", executor=Saves)
    assert len(kept(tmp_path / "runs")) == 4
    blind = {"measure": lambda *_: {"test/top1": 0.5}}
    words = ("run", "tiny.yaml", "--set", "seeds=[0,1]", "--policy", "keep={best: 1}")
    toy_here(*words, executor=Saves, **blind)
    assert len(list(tmp_path.glob("runs/tiny/*/last.ckpt"))) == 2


def test_beyond_the_quota_the_worst_go_first(toy_here, tmp_path, monkeypatch):
    monkeypatch.setattr(retention, "SECONDS_BETWEEN_SUMS", 0)
    monkeypatch.setattr(retention, "SHARE_OF_TIME", float("inf"))
    monkeypatch.setattr(retention, "bytes_in", lambda folder: 1000 * len(kept(folder.parent)))
    done = toy_here("sweep", "pair.yaml", "--set", "seeds=[0,1,2,3]", "--workers", "1",
                    "--policy", "quota=3kB", executor=Saves, measure=seeded)  # fmt: skip
    assert done.returncode == 0
    arms = by_arm(tmp_path / "runs")
    assert len(kept(tmp_path / "runs")) == 3
    assert {arms["good"][0], arms["other"][0]} < kept(tmp_path / "runs")


def test_a_plan_without_room_stops_with_a_line(toy_here, tmp_path):
    done = toy_here("sweep", "pair.yaml", "--policy", "quota=2kB", executor=Saves)
    assert done.returncode == 2
    [line] = [text for text in done.stderr.splitlines() if text.startswith("harness: ")]
    assert "beyond policy.quota (2kB), and no checkpoint of a finished cell is left to go" in line
    assert toy_here("sweep", "pair.yaml", "--policy", "quota=1MB").returncode == 0


FAST = SEARCH.replace("name: search", "name: fast").replace(
    "  trials: 5\n", "  trials: 5\n  objective: cost/latency_ms_p50\n  direction: minimize\n"
)


def latency(cell):
    rate = float(cell.config["train"]["optimizer"].get("lr") or 1e-3)
    return {"latency_ms_p50": 1e3 * rate + cell.seed / 1000}


def test_the_best_by_a_cost_stay_and_are_shown(toy_here, tmp_path):
    write(tmp_path, "fast.yaml", FAST)
    words = ("sweep", "fast.yaml", "--policy", "keep={best: 2}")
    assert toy_here(*words, executor=Saves, cost=latency).returncode == 0
    done = load_all(tmp_path / "runs")
    found = {
        stage: sorted((r.cost["latency_ms_p50"], r.key) for r in done if r.stage == stage)
        for stage in ("search", "confirm")
    }
    assert [len(stage) for stage in found.values()] == [5, 2]
    assert kept(tmp_path / "runs") == {key for of in found.values() for _, key in of[:2]}
    best = [of[0] for of in found.values()]
    [row] = json.loads(toy_here("status", "--format", "json").stdout)
    assert (row["metric"], row["best"]) == ("cost/latency_ms_p50", min(best)[0])


def test_a_large_cost_is_shown_as_people_read_it(toy_here):
    toy_here("sweep", "search.yaml", "--set", "search.objective=cost/params")
    assert " 1.00 M " in toy_here("status", "--format", "md").stdout


def test_none_stay_if_none_are_wanted(toy_here, tmp_path):
    words = ("sweep", "pair.yaml", "--policy")
    assert toy_here(*words, "keep={best: 0}", executor=Saves).returncode == 0
    assert len(load_all(tmp_path / "runs")) == 4
    assert kept(tmp_path / "runs") == set()
    refused = toy_here(*words, "keep={best: -1}")
    assert refused.returncode == 2
    assert "keep.best: must be at least 0, got -1" in refused.stderr


def test_what_did_not_get_to_its_end_goes_before_what_did(tmp_path):
    cut = record(key="a", status="pruned", metrics={"val/top1": 0.9}, cost={"seconds/fit": 1.0})
    whole = record(key="b", metrics={"val/top1": 0.1}, cost={"seconds/fit": 9.0})
    for rule in (Rule(1), Rule(1, "cost/seconds/fit", -1)):
        [going] = rule.surplus([rule.of(cut, tmp_path), rule.of(whole, tmp_path)])
        assert going.path.parent.name == "a"


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.none() | st.floats(0, 1)), max_size=12),
    st.integers(0, 4),
    st.sampled_from([1, -1]),
)
def test_the_rule_keeps_the_best_and_ranks_the_rest(tmp_path_factory, cells, best, sign):
    folder = tmp_path_factory.mktemp("plan")
    rule = Rule(best, "val/top1", sign)
    made = [
        rule.of(record(key=f"k{i:02}", arm=arm, metrics={"val/top1": value}), folder)
        for i, (arm, value) in enumerate(cells)
    ]
    surplus = rule.surplus(made)
    for arm in "ab":
        mine = [c for c in made if c.group[0] == arm]
        going = [c for c in surplus if c.group[0] == arm]
        if all(c.value is None for c in mine):
            assert best == 0 or not going
            continue
        assert len(mine) - len(going) == min(best, len(mine))
        staying = [c for c in mine if c not in going]
        assert not staying or not going or max(staying) < min(going)
    order = [rank for rank, _ in ranked(made)]
    assert order == sorted(order, reverse=True)


@pytest.fixture
def littered(toy_here, tmp_path):
    """A plan with a checkpoint a cell, a broken journal, leftovers, and a record set aside."""
    toy_here("sweep", "pair.yaml", executor=Saves, measure=seeded)
    folder = tmp_path / "runs/pair"
    (folder / "study.journal.broken-1").write_text("x" * 10)
    key = load_all(tmp_path / "runs")[0].key
    (folder / key / "last.tmp").write_text("x" * 20)
    (folder / key / ".record.json.12.tmp").write_text("x" * 30)
    old = folder / f"{key}.old-1"
    save(record(key=key), old)
    (old / "last.ckpt").write_bytes(bytes(40))
    os.utime(old / "record.json", (0, 0))
    return folder


def content(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_gc_finds_what_nobody_needs_and_removes_no_record(toy_here, littered):
    before = content(littered)
    told = toy_here("gc", "--dry-run", "--format", "json")
    assert content(littered) == before
    found = json.loads(told.stdout)
    sizes = {row["what"]: row["bytes"] for row in found if row["what"] != "leftover of a write"}
    assert sizes == {"broken journal": 10, "checkpoint of a record set aside": 40}
    assert "100 B would go" in told.stderr
    done = toy_here("gc", "pair", "--format", "json")
    assert json.loads(done.stdout) == found
    assert before - content(littered) == {
        os.path.relpath(row["path"], littered.relative_to(littered.parents[1])) for row in found
    }
    assert "0 B removed" in toy_here("gc").stderr


def test_gc_keeps_by_rule_and_lets_old_records_go_only_when_asked(toy_here, tmp_path, littered):
    toy_here("gc", "--keep", "1")
    assert kept(tmp_path / "runs") == {c[0] for c in by_arm(tmp_path / "runs").values()}
    assert list(littered.glob("*.old-1/record.json"))
    assert len(load_all(tmp_path / "runs")) == 4
    toy_here("gc", "--old-days", "30")
    assert not list(littered.glob("*.old-1"))


def test_trials_and_what_confirms_them_are_ranked_apart(toy_here, tmp_path):
    """Though every trial scores better than its confirmation."""
    toy_here("sweep", "search.yaml", executor=Saves, measure=lambda cell, _: {
        "val/top1": 0.9 - cell.trial / 100 if cell.stage == "search" else cell.seed / 100,
    })  # fmt: skip
    toy_here("gc", "--keep", "1")
    left = {r.stage: r for r in load_all(tmp_path / "runs") if r.key in kept(tmp_path / "runs")}
    assert {stage: (r.trial, r.seed) for stage, r in left.items()} == {
        "search": (0, 0), "confirm": (0, 8),
    }  # fmt: skip
    assert len(kept(tmp_path / "runs")) == 2


def test_gc_leaves_a_plan_at_work_alone(toy_here, littered):
    with owned(littered, "pair"):
        PlanLog(littered).write("launched", command="", pid=1, host=os.uname().nodename)
        before = content(littered)
        done = toy_here("gc", "--keep", "0")
        assert "left alone, being at work: pair" in done.stderr
        assert content(littered) == before
        assert "--caches: not while a plan is at work: pair" in toy_here("gc", "--caches").stderr


def test_caches_that_a_record_refers_to_stay(toy_here, tmp_path, littered):
    for name, mark in (("used", "toy"), ("unused", "other")):
        place = tmp_path / "cache" / name
        place.mkdir(parents=True)
        (place / "index.json").write_text(json.dumps({"hash": mark}))
        (place / "rgb.npy").write_bytes(bytes(100))
    toy_here("gc", "--caches")
    assert {path.name for path in (tmp_path / "cache").glob("*used")} == {"used"}
