"""The command line as a user meets it: help, exit codes, formats, bad input."""

import csv
import json
import subprocess
import sys

import pytest
from command_line import EVERY_COMMAND, copy_shipped, harness
from shapes import TINY, write

HEAVY = {"torch", "numpy", "omegaconf", "optuna", "pandas", "wandb", "cv2"}


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    """A folder as a user has it: the shipped files, and one finished run."""
    folder = tmp_path_factory.mktemp("user")
    copy_shipped(folder)
    write(folder, "tiny.yaml", TINY.replace("train: 48, test: 16", "train: 32, test: 16"))
    done = harness("run", "tiny.yaml", "--set", "train.epochs=1", "--format", "json", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder, json.loads(done.stdout)


@pytest.mark.parametrize("command", EVERY_COMMAND, ids=" ".join)
def test_help_has_an_example_and_imports_nothing_heavy(command):
    code = (
        "import sys; from harness.cli import main; code = main([*sys.argv[1:], '--help']);"
        f"print(code, sorted({HEAVY} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *command], capture_output=True, text=True, check=True
    )
    assert "Example" in done.stdout
    assert done.stdout.splitlines()[-1] == "0 []"


def test_a_table_is_one_thing_in_many_formats(workspace):
    folder, rows = workspace
    assert rows[0]["arm"] == "tiny"
    assert isinstance(rows[0]["test/top1"], float)
    listed = harness("runs", "--where", "plan=tiny", "--format", "csv", cwd=folder).stdout
    assert next(csv.DictReader(listed.splitlines()))["key"] == rows[0]["key"]
    assert harness("runs", "-o", "runs.md", cwd=folder).stdout == ""
    assert rows[0]["key"] in (folder / "runs.md").read_text()
    one = harness("show", "run", rows[0]["key"][:6], "--format", "json", cwd=folder).stdout
    facts = {row["fact"]: row["value"] for row in json.loads(one)}
    assert facts["config.model.fusion.name"] == "conv"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "nothere.yaml"], "nothere.yaml: no such file"),
        (["run", "tiny.yaml", "--set", "modle.fusion=sum"], "did you mean 'model'?"),
        (["run", "tiny.yaml", "--set", "train.epochs"], "expected key=value"),
        (["run", "tiny.yaml", "--set", "model.fusion.kernel=3"], "did you mean 'kernel_size'?"),
        (["run", "tiny.yaml", "--set", "model.spatial.input=rgb_clip"], "does not go with the 2-D"),
        (["run", "tiny.yaml", "--set", "model.spatial.conv=fast3d"], "replaces nothing in tiny2d"),
        (["run", "tiny.yaml", "--set", "data.clip.flip=true"], "a mirrored clip of"),
        (["run", "tiny.yaml", "--set", "train.init_from=gone.pt"], "no such file 'gone.pt'"),
        (["run", "tiny.yaml", "--set", "train.streams=separate"], "needs a fusion of scores"),
        (["run", "tiny.yaml", "--wandb", "onlin"], "did you mean 'online'?"),
        (["run", "tiny.yaml", "--format", "xml"], "--format 'xml'"),
        (["run", "experiments/ut_interaction/flow_only.yaml", "--data", "gone"], "HARNESS_DATA"),
        (["ablate", "tiny.yaml"], "has no `ablate:` block"),
        (["show", "fusoins"], "did you mean 'fusions'?"),
        (["show", "run", "zzz"], "no run with a key that starts with 'zzz'"),
        (["schema", "experimnt"], "did you mean 'experiment'?"),
        (["board", "leaderboards/demo.yaml"], "demo"),
    ],
)  # fmt: skip
def test_bad_input_is_one_clear_line_and_exit_code_2(workspace, arguments, message):
    folder, _ = workspace
    before = sorted(folder.glob("runs/*/*/record.json"))
    done = harness(*arguments, cwd=folder)
    assert done.returncode == 2, (done.stdout, done.stderr)
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert sorted(folder.glob("runs/*/*/record.json")) == before


def test_what_is_recorded_is_shown_without_importing_torch(workspace):
    folder, _ = workspace
    code = (
        "import sys; from harness.cli import main;"
        "main(['run', 'tiny.yaml', '--set', 'train.epochs=1']); sys.exit('torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "0 trained now, 1 there already" in done.stderr


def test_failed_cells_are_exit_code_1(workspace):
    folder, _ = workspace
    broken = "train.optimizer={name: sgd, lr: 1e30}"
    done = harness("run", "tiny.yaml", "--set", broken, "--wandb", "disabled", cwd=folder)
    assert done.returncode == 1
    assert "FAILED tiny" in done.stderr
    assert "--retry-failed" in done.stderr


def test_a_video_that_cannot_be_read_is_named_and_left_out(workspace, tmp_path):
    folder, _ = workspace
    source = next((folder / "cache" / "moving_shapes").glob("*/videos/train"))
    for name in ("down", "left"):
        for video in sorted((source / name).glob("*.mp4")):
            target = tmp_path / "data" / "mine" / name / video.name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(video.read_bytes())
    (tmp_path / "data" / "mine" / "left" / "aa_text.mp4").write_text("not a video")
    mine = "data={name: folder, path: mine, val: null}"
    sets = ["--set", mine, "--set", "train.epochs=1"]
    done = harness("run", str(folder / "tiny.yaml"), *sets, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "left out: folder: left/aa_text.mp4: " in done.stderr
    record = json.loads(next(tmp_path.glob("runs/*/*/record.json")).read_text())
    assert record["clips"]["quarantined"] == 1
