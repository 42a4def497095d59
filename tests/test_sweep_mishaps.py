"""Bad input to a sweep: damaged records, full disks. Told in one line, and nothing is lost."""

import json
import os
import subprocess
import sys

import pytest
from command_line import ROOT
from shapes import write

from harness.results.store import load_all

DAMAGE = {
    "truncated": lambda text: text[: len(text) // 2],
    "edited": lambda text: text.replace('"status": "done"', '"status": "splendid"'),
    "retyped": lambda text: text.replace('"seed": 0', '"seed": "zero"'),
    "newer": lambda text: text.replace('"schema": 1', '"schema": 2'),
    "empty": lambda _: "",
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_record_is_named_with_its_cure_by_all_who_read_it(toy_here, tmp_path, damage):
    """Whoever repairs it has lost nothing, and whoever moves it away trains one cell again."""
    assert toy_here("sweep", "pair.yaml").returncode == 0
    write(tmp_path, "board.yaml", "name: board\n")
    before = {r.key: r for r in load_all(tmp_path / "runs")}
    path = next(p for p in tmp_path.glob("runs/*/*/record.json") if '"seed": 0' in p.read_text())
    whole = path.read_text()
    path.write_text(DAMAGE[damage](whole))
    for words in (
        ("sweep", "pair.yaml"),
        ("status", "pair"),
        ("board", "board.yaml"),
        ("runs",),
        ("retry", "pair", "--failed"),
    ):
        done = toy_here(*words)
        assert done.returncode == 2, words
        lines = [line for line in done.stderr.splitlines() if line.startswith("harness: ")]
        assert len(lines) == 1
        assert str(path.relative_to(tmp_path)) in lines[0]
        cure = "upgrade" if damage == "newer" else "move its folder away"
        assert cure in lines[0]
    path.write_text(whole)
    assert {r.key: r for r in load_all(tmp_path / "runs")} == before
    path.parent.rename(tmp_path / "away")
    assert "1 trained now" in toy_here("sweep", "pair.yaml").stderr
    assert {r.key: r.metrics for r in load_all(tmp_path / "runs")} == {
        key: r.metrics for key, r in before.items()
    }


def metrics(runs):
    return {(r.stage, r.trial, r.key): r.metrics for r in load_all(runs)}


def test_a_disk_that_is_full_at_any_write_stops_the_plan_and_loses_nothing(
    toy_here, tmp_path, small_disk, depth
):
    """Ever more room, page by page: each kind of file is once the one that finds it full."""
    small, remount = small_disk
    assert toy_here("sweep", "search.yaml", "--runs", "undisturbed", epochs=3).returncode == 0
    remount("size=16m")
    stopped = 0
    for pages in range(0, 28, depth(7, 1)):
        runs = small / f"runs{pages}"
        runs.mkdir()
        fill(small, pages)
        done = toy_here("sweep", "search.yaml", "--runs", str(runs), epochs=3)
        (small / "filler").unlink()
        if done.returncode:
            stopped += 1
            lines = [line for line in done.stderr.splitlines() if line.startswith("harness: ")]
            assert (done.returncode, len(lines)) == (2, 1), done.stderr
            assert "the disk is full; free some space and run again" in lines[0]
        again = toy_here("sweep", "search.yaml", "--runs", str(runs), epochs=3)
        assert again.returncode == 0, again.stderr
        assert metrics(runs) == metrics(tmp_path / "undisturbed")
        assert toy_here("status", "--runs", str(runs)).returncode == 0
    assert stopped >= 3


def fill(folder, pages):
    """All but so many pages of a file system."""
    free = os.statvfs(folder)
    with (folder / "filler").open("wb") as file:
        file.write(bytes(free.f_bavail * free.f_frsize - pages * 4096))


def test_status_needs_no_torch_and_leaves_on_ctrl_c_with_130(toy_here, tmp_path):
    toy_here("sweep", "pair.yaml")
    code = (
        "import sys; from harness.cli import main; code = main(['status', '--format', 'json']); "
        "assert not {'torch', 'optuna', 'cv2'} & set(sys.modules); sys.exit(code)"
    )
    here = {"cwd": tmp_path, "env": os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": "160"}}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, **here
    )
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)) == 2
    watching = subprocess.Popen(
        [sys.executable, "-m", "harness", "status", "--watch", "--every", "0.1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **here | {"env": here["env"] | {"FORCE_COLOR": "1"}},
    )
    shown = ""
    while shown.count("pair: finished") < 2 and watching.poll() is None:
        shown += watching.stdout.readline()
    watching.send_signal(2)
    _, errors = watching.communicate(timeout=60)
    assert watching.returncode == 130, errors
    assert "Traceback" not in errors
