"""The benchmarks run, in small, and print what they promise."""

import os
import re
import subprocess
import sys

from command_line import ROOT


def test_the_benchmark_prints_every_variant_and_what_memory_does(tmp_path):
    command = [sys.executable, str(ROOT / "benchmarks" / "data.py"), "--data", str(tmp_path)]
    command += ["--visits", "8", "--rounds", "1", "--epochs", "2"]
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=os.environ | {"PYTHONPATH": path}
    )
    assert done.returncode == 0, done.stderr
    cells = [line.split("|")[1:-1] for line in done.stdout.splitlines() if line.startswith("|")]
    measured = {row[0].strip(): [float(cell) for cell in row[1:4]] for row in cells[2:]}
    assert len(measured) == 4
    assert all(value > 0 for row in measured.values() for value in row)
    rss, pss = (float(x) for x in re.search(r"Rss ([\d.]+) MB, Pss ([\d.]+)", done.stdout).groups())
    assert 0 < pss < 0.75 * rss  # two trainings, one copy
    assert "epoch 2 " in done.stdout
    assert "160 x 120" in done.stdout
