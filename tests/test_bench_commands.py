"""`harness bench` on very small layers and networks: rows, files, and what bad input gets."""

import json
import math
import xml.etree.ElementTree as ET

import pytest
from command_line import ROOT

CONVS = {
    "layer": str,
    "direction": str,
    "tile": str,
    "kernel": str,
    "variant": str,
    "baseline": str,
    "cpu": str,
    "device": str,
    "dtype": str,
    "memory_format": str,
    "clock": str,
    "torch": str,
    "commit": str,
    "unavailable": str,
    "ratio": float,
    "ms": float,
    "ms_least": float,
    "baseline_ms": float,
    "max_error": float,
    "limit": float,
    "gflops": float,
    "peak_gflops": float,
    "load_average": float,
    "batch": int,
    "threads": int,
    "macs": int,
    "macs_valid": int,
}


def test_layers_as_json_with_a_figure(here, tmp_path):
    words = ("--layers", "16x8x8", "--layers", "16x2x8x8", "--direction", "both", "--batch", 2)
    done = here("bench", "convs", *words, "--seconds", 0, "--format", "json", "--plot", "a.svg")
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    names = [(r["layer"], r["direction"], r["tile"]) for r in rows]
    assert names == [
        (layer, direction, tile)
        for layer, tiles in (("16x8x8", ("2x2", "4x4")), ("16x2x8x8", ("1x2x2", "1x4x4")))
        for direction in ("forward", "backward")
        for tile in tiles
    ]
    for r in rows:
        assert {key: type(r[key]) for key in CONVS} == CONVS
        assert math.isclose(r["ratio"], r["baseline_ms"] / r["ms"])
        assert r["max_error"] < 1e-4
        paths = {key: value for key, value in r.items() if key.startswith("ms/") and value}
        if r["direction"] == "forward":
            assert r["baseline_ms"] == min(paths.values())
            assert r["macs"] == 2 * 16 * 16 * 9 * 64 * (6 if r["layer"] == "16x2x8x8" else 1)
    assert ET.parse(tmp_path / "a.svg").getroot().tag.endswith("svg")


def test_memory_is_asked_for_and_tables_are_for_people(here, tmp_path):
    words = ("--layers", "16x64x64", "--seconds", 0, "--memory", "--set", "tile=2")
    done = here("bench", "convs", *words, "-o", "table.md")
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "table.md").read_text()
    assert "extra MB" in text
    assert "tile=2" in text
    assert "thread CPU time, batch 1, float32, ours channels_last" in text


def test_an_experiment_s_streams(here):
    file = ROOT / "experiments" / "moving_shapes" / "conv_fusion.yaml"
    words = ("--seconds", 0, "--no-compile", "--format", "json")
    forward = here("bench", "models", file, *words, "--memory", "--set", "tile=4")
    assert forward.returncode == 0, forward.stderr
    rows = json.loads(forward.stdout)
    assert {r["network"] for r in rows} == {"conv_fusion spatial", "conv_fusion temporal"}
    assert {r["variant"] for r in rows} == {"tile=4"}
    for r in rows:
        assert math.isclose(r["ratio"], r["baseline_ms"] / r["ms"])
        assert r["flops"] == 2 * r["macs"] > 0
        assert r["params"] > 0
        assert r["samples_per_second"] > 0
        assert 0 < r["share"] <= 1
        assert r["memory_mb_peak"] > 10
        assert r["energy_j"] is not None or r["energy_source"].startswith("n/a: ")
        assert "batch norm folding" not in r["unavailable"]
    step = here("bench", "models", file, *words, "--direction", "step")
    assert step.returncode == 0, step.stderr
    steps = json.loads(step.stdout)
    assert {r["direction"] for r in steps} == {"step"}
    assert {r["variant"] for r in steps} == {"small tile", "large tile"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["convs", "--layers", "64x56"], "expected CxHxW"),
        (["convs", "--direction", "fowrard"], "did you mean 'forward'?"),
        (["convs", "--algorithm", "winogrand"], "did you mean 'winograd'?"),
        (["convs", "--set", "tyle=2"], "did you mean 'tile'?"),
        (["convs", "--set", "tile"], "expected key=value"),
        (["convs", "--threads", 1_000_000], "--threads 1000000: this process may use "),
        (["convs", "--batch", 10**8], "--batch 100000000 needs at least "),
        (["convs", "--layers", "1000000x1x1"], "--batch 1 needs at least 36,000 GB"),
        (["models", "resnet18", "--threads", 1_000_000], "this process may use "),
        (["models", "resnet18", "--batch", 10**8], "--batch 100000000 needs at least "),
        (["convs", "--format", "xml"], "--format 'xml'"),
        (["convs", "--plot", "a.png"], "it draws SVG"),
        (["convs", "--set", "tile=3"], "tile 3; allowed: auto, tuned, 2, 4"),
        (["convs", "--plot", f"{__file__}/a.svg"], "a.svg: cannot be written there"),
        (["convs", "-o", "/"], "/: cannot be written there"),
        (["models", "resnet18", "-o", f"{__file__}/a.json"], "a.json: cannot be written there"),
        (["models", "resnet19"], "did you mean 'resnet18'?"),
        (["models", "gone.yaml"], "gone.yaml: no such file"),
        (["models", "--direction", "backward"], "allowed: forward, step"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(here, words, message):
    done = here("bench", *words)
    assert done.returncode == 2, (done.stdout, done.stderr)
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
