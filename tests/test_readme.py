"""Every command and every line of Python in the README works, in small."""

import os
import re
import shlex
import subprocess
import sys

import pytest
from command_line import ROOT, copy_shipped, harness

DEMO = "rgb_only", "flow_only", "late_average", "conv3d_winograd"  # some of its arms
SMALL = "data.train=32", "data.test=16", "train.epochs=1", "seeds=[0]"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder as a user has it: the shipped files."""
    return copy_shipped(tmp_path_factory.mktemp("user"))


def readme_commands() -> list[str]:
    blocks = re.findall(r"```bash\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    lines = [line.split("#")[0].strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if line]


@pytest.fixture
def parts(depth):
    """Changes that leave a part of a sweep, where not all of it is run."""
    return lambda *changes: depth([word for text in changes for word in ("--set", text)], [])


def in_small(command: str, real_data: str | None, parts) -> list[str]:
    """The command, so that it takes seconds: fewer clips, one epoch, one seed."""
    words = shlex.split(command)[1:]
    if words[0] in ("run", "ablate"):
        return [*words, *(word for text in SMALL for word in ("--set", text))]
    if words[0] == "data":
        return [*words, "--set", "train=32", "--set", "test=16"]
    if words[0] == "bench":
        small = ["16x8x8" if word == "64x56x56" else word for word in words]
        return [*small, "--seconds", "0", "--no-compile"]
    if words[:2] == ["sweep", "sweeps/ut_interaction.yaml"]:
        change = "set={train.epochs: 1, eval.views: 1}"
        few = ["--set", change, "--set", "seeds=[0]", *parts('data=[{split: "01"}]')]
        return [*words[:2], "--data", str(real_data), *few]
    if words[0] in ("sweep", "importance"):
        few = "set={data.train: 64, data.test: 16, train.epochs: 1, data.val: {share: 0.3}}"
        return [*words, "--set", few, "--set", "search.trials=4", "--set", "confirm.seeds=[1]"]
    return words


@pytest.mark.timeout(600)  # some twenty commands, each a process that imports torch
def test_every_command_of_the_readme_works(folder, parts):
    """In order, as a reader would; `make` targets must exist, the suite itself is one of them."""
    demo = ["sweep", "sweeps/demo.yaml", "--set", "seeds=[0]", "--wandb", "disabled"]
    small = "set={data.train: 32, data.test: 16, train.epochs: 1}"
    arms = ", ".join(f"../experiments/moving_shapes/{name}.yaml" for name in DEMO)
    part = parts("data=[{task: bind}]", f"arms=[{arms}]")
    done = harness(*demo, "--set", small, *part, cwd=folder)
    assert done.returncode == 0, done.stderr
    commands = readme_commands()
    assert len(commands) > 10
    real = os.environ.get("HARNESS_TEST_DATA")
    for command in commands:
        if command.startswith("make"):
            subprocess.run(["make", "-n", command.split()[1]], cwd=ROOT, check=True)
        elif real or "ut_interaction" not in command:
            done = harness(*in_small(command, real, parts), cwd=folder)
            assert done.returncode == 0, (command, done.stderr)
    assert (folder / "leaderboards" / "out" / "demo.html").is_file()


def test_the_python_of_the_readme_works(folder):
    code = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)[1]
    few = ", ".join(repr(text) for text in SMALL)
    code = code.replace('set=["train.epochs=5"]', f"set=[{few}]")
    code = code.replace('ablation.yaml")', f'ablation.yaml", set=[{few}])')
    code += "\nassert len(frame) >= len(records) == 1\nassert table.rows[0]['arm'] == 'baseline'\n"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
