"""When a mirror has a process: never with nothing to write, and early where there may be."""

import pytest
from left_cells import cell, left, mirrored
from mirrors import BOARD, opened, plan_folder, tell

from harness.mirror.marker import marker_of


@pytest.fixture
def plan(tmp_path):
    return plan_folder(tmp_path)


def test_a_plan_that_is_mirrored_starts_nothing(plan):
    mirror, notes = opened(plan)
    with mirror:
        record = tell(mirror, left(plan, "k1"))
        mirror.board = lambda: BOARD
    written = {path: path.stat().st_mtime_ns for path in plan.rglob("*.wandb")}
    again, _ = opened(plan)
    with again:
        again.finished(cell("k1"), record, reused=True)
        again.board = lambda: BOARD
    assert again._process is None
    assert {path: path.stat().st_mtime_ns for path in plan.rglob("*.wandb")} == written
    assert notes.notes == []


def test_started_beforehand_and_told_nothing_it_ends_and_leaves_nothing(plan):
    left(plan, "k1")
    mirror, notes = opened(plan)
    with mirror:
        mirror.warm_up()
        assert mirror._process.poll() is None
    assert mirror._process.poll() is not None
    assert marker_of(plan / "k1") is None
    assert not (plan / "wandb").exists()
    assert notes.notes == []


def test_started_beforehand_it_mirrors_as_if_it_had_not_been(plan):
    mirror, _ = opened(plan)
    with mirror:
        mirror.warm_up()
        process = mirror._process
        tell(mirror, left(plan, "k1"))
        assert mirror._process is process
    assert mirrored(plan).keys() == {"left-k1"}


def test_disabled_starts_nothing(plan):
    mirror, _ = opened(plan, "disabled")
    with mirror:
        mirror.warm_up()
        tell(mirror, left(plan, "k1"))
        mirror.board = lambda: BOARD
    assert mirror._process is None
    assert not (plan / "wandb").exists()
