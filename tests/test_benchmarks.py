"""The benchmarks run, in small, and print what they promise."""

import json
import os
import re
import subprocess
import sys
from itertools import islice

import pytest
import torch
from command_line import ROOT
from winograd_cases import needs_native

from harness.convs.native.compiler import find_compiler

BENCHMARKS = ROOT / "benchmarks"


def benchmark(name, *arguments):
    """What a benchmark prints."""
    done = ended(name, *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def ended(name, *arguments):
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    return subprocess.run(
        [sys.executable, str(BENCHMARKS / name), *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": path},
    )


def test_the_benchmark_prints_every_variant_and_what_memory_does(tmp_path):
    printed = benchmark("data.py", "--data", tmp_path, "--visits", 8, "--rounds", 1, "--epochs", 2)
    cells = [line.split("|")[1:-1] for line in printed.splitlines() if line.startswith("|")]
    measured = {row[0].strip(): [float(cell) for cell in row[1:4]] for row in cells[2:]}
    assert len(measured) == 4
    assert all(value > 0 for row in measured.values() for value in row)
    rss, pss = (float(x) for x in re.search(r"Rss ([\d.]+) MB, Pss ([\d.]+)", printed).groups())
    assert 0 < pss < 0.75 * rss  # two trainings, one copy
    assert "epoch 2 " in printed
    assert "160 x 120" in printed


def test_every_way_to_run_a_sweep_ends_with_the_same_metrics(tmp_path, depth):
    """In `make test` those whose processes start quickly; nothing is asserted of times."""
    slow = ["--without", "ray", "plain", "ours-1", "floor-1"]
    printed = benchmark(
        "sweep.py", "--quick", "--data", tmp_path, "--format", "json", *depth(slow, [])
    )
    report = json.loads(printed)
    assert set(report["ways"]) >= {"floor-2", "ours-2"}
    assert report["metrics"] == dict.fromkeys(report["ways"], 0)
    assert all(way["wall"] > 0 < way["cpu"] for way in report["ways"].values())
    assert {"start", "end", "per_epoch"} <= set(report["overhead"])
    assert report["machine"]["threads"] == 1


def test_clips_on_the_fly_are_those_of_the_cache(tmp_path, monkeypatch, depth, real_clips):
    """Else the usual way and ours would not be compared on the same work; real ones in soak."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    from sweep_plain import InOrder, OnTheFly
    from sweep_setting import Setting, cached_loaders, seeded

    setting = Setting.make(tmp_path, depth(tmp_path, real_clips), trials=1, clips=12, epochs=1)
    experiment, source = setting.experiment(0), setting.source()
    train, _ = cached_loaders(experiment, source, seeded(setting, experiment, source))
    usual = OnTheFly(source, "train", experiment.data)
    for epoch in (0, 1):
        train.epoch = lambda epoch=epoch: epoch
        order = InOrder(len(usual), experiment.train.batch_size)
        order.epoch = epoch
        for cached, draws in islice(zip(train, order, strict=True), 1):
            samples = [usual[draw] for draw in draws]
            assert len(samples) == len(cached["label"])
            for key, batch in cached.items():
                together = torch.stack([torch.as_tensor(sample[key]) for sample in samples])
                assert torch.equal(together, batch), key


def test_the_coordinators_cost_is_told_with_its_memory():
    report = json.loads(
        benchmark("coordinator.py", "--trials", 20, "--tpe", 10, "--format", "json")
    )
    assert [row["trials"] for row in report["rows"]] == [2, 10, 20, *[1, 5, 10] * 2]
    assert all(row["ms"] > 0 < row["memory_mb"] for row in report["rows"])


@needs_native
def test_the_limits_of_a_layer_are_told_with_all_their_parts(depth):
    if find_compiler() is None:
        pytest.skip("needs a C++ compiler, for example g++")
    few = ("--layers", "24x9x7", "--batch", 2, "--seconds", 0.1)
    for tile in depth([4], [2, 4]):
        report = json.loads(benchmark("limits.py", *few, "--tile", tile, "--format", "json"))
        [row] = report["rows"]
        steps = sum(row[f"{part}_ms"] for part in ("inputs", "products", "outputs", "maps"))
        assert row["alone"] == pytest.approx(row["baseline_ms"] / steps)
        beside = steps - row["products_ms"] + row["at_peak_ms"]
        assert row["limit"] == pytest.approx(row["baseline_ms"] / beside)
        assert report["means"]["limit"] == pytest.approx(row["limit"])
        products = {2: 19 * 15, 4: 16 * 11}[tile] * 2 * 24 * 24
        assert row["at_peak_ms"] == pytest.approx(2 * products / row["peak_gflops"] / 1e6)
    assert "24x9x7" in benchmark("limits.py", *few, "--tile", 2)


def test_limits_are_those_of_images():
    done = ended("limits.py", "--layers", "r3d18")
    assert done.returncode == 2
    assert done.stderr == "error: --layers r3d18: images and kernels of 3 x 3 alone\n"
