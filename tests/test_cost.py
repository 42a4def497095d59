"""What a record says of cost: right, known for what it holds, and never the end of a record."""

from dataclasses import replace

import pytest
import torch
from command_line import ROOT
from torch import nn

from harness.bench import cost
from harness.bench.layout import layout_of
from harness.config.experiment import load_experiment
from harness.config.schema import Component
from harness.convs.native import library
from harness.convs.swap import swap
from harness.models.build import network_of
from harness.registry import Registry

SIZE = 32


def built(operator="standard", algorithm="standard"):
    file = ROOT / "experiments" / "moving_shapes" / "conv_fusion.yaml"
    experiment, _ = load_experiment(file)
    for stream in (experiment.model.spatial, experiment.model.temporal):
        stream.conv.operator = Component(name=operator)
        stream.conv.algorithm = Component(name=algorithm)
    return experiment, network_of(experiment, 2, SIZE).eval()


@pytest.fixture
def measure(tmp_path, monkeypatch):
    """The memory in a cost, with a probe that only counts how often it was asked."""
    asked = []

    def probe(*_):
        asked.append(1)
        return {"memory_mb_peak": 1.0, "memory_mb_extra": float(len(asked))}

    monkeypatch.setattr(cost, "isolated", probe)

    def of(experiment, network):
        found = cost.cost_of(experiment, network, SIZE, tmp_path)
        assert "memory" not in found.facts
        return found.values["memory_mb_extra"]

    return of


def test_memory_is_measured_once_for_one_network_machine_and_code(measure, monkeypatch):
    mine = built()
    assert [measure(*mine), measure(*mine)] == [1, 1]
    assert measure(*built(algorithm="fft")) == 2
    monkeypatch.setattr(cost, "_code", lambda: "other sources")
    assert measure(*mine) == 3
    monkeypatch.setattr(cost, "cpu_model", lambda: "another machine")
    assert measure(*mine) == 4
    monkeypatch.setattr(cost, "installed", lambda name: f"another {name}")
    assert measure(*mine) == 5
    monkeypatch.setattr(Registry, "revision", lambda *_: 7)
    assert measure(*mine) == 6


def test_times_are_measured_again_but_for_the_trials_of_a_search(tmp_path, monkeypatch):
    experiment, network = built()
    clocked = []
    monkeypatch.setattr(cost, "isolated", lambda *_: {})
    monkeypatch.setattr(cost, "latency_ms", lambda *_: (clocked.append(1), float(len(clocked))))

    def latency(when):
        found = cost.cost_of(experiment, network, SIZE, tmp_path, measure=when)
        assert found.values["params"] > 0
        return found.values.get("latency_ms_p90")

    assert [latency(when) for when in ("again", "once", "once", "again")] == [1, 2, 2, 3]
    experiment.train.batch_size += 1  # the throughput's
    assert [latency("once"), latency("never")] == [4, None]


def test_the_code_is_the_content_of_every_source(tmp_path, monkeypatch):
    (tmp_path / "native").mkdir()
    (tmp_path / "a.py").write_text("a = 1\n")
    (tmp_path / "native" / "b.h").write_text("int b;\n")
    monkeypatch.setattr(cost, "PACKAGE", tmp_path)
    seen = set()
    for name, text in (("a.py", "a = 1\n"), ("a.py", "a = 2\n"), ("native/b.h", "int c;\n")):
        (tmp_path / name).write_text(text)
        seen.add(cost._code.__wrapped__())
    assert len(seen) == 3


def test_no_kernels_are_asked_for_where_no_stream_has_native_code(measure, monkeypatch):
    monkeypatch.setenv("HARNESS_NATIVE", "nonsense")
    monkeypatch.setattr(library, "_choose", lambda _: pytest.fail("kernels were looked for"))
    assert measure(*built()) == 1


@pytest.mark.parametrize("error", [RuntimeError("can't allocate memory\nmore"), OSError("full")])
def test_a_probe_that_fails_gives_a_reason_and_no_number(tmp_path, monkeypatch, error):
    def probe(*_):
        raise error

    monkeypatch.setattr(cost, "isolated", probe)
    experiment, network = built()
    found = cost.cost_of(experiment, network, SIZE, tmp_path)
    assert found.values["memory_mb_peak"] is None
    assert found.facts["memory"] == f"n/a: {str(error).splitlines()[0]}"
    assert found.values["macs"] > 0
    assert not list(tmp_path.glob("*.memory.json"))


def test_multiplications_are_those_of_what_runs_here():
    direct = cost.multiplications(*built(), SIZE)
    experiment, network = built(algorithm="winograd")
    for kernel, same in (("native", False), ("fallback", True)):
        for name, report in network.reports.items():
            network.reports[name] = replace(report, kernel=kernel)
        assert (cost.multiplications(experiment, network, SIZE) == direct) is same


@pytest.mark.parametrize("operator", ["grouped", "hyper", "kernel", "local", "volterra"])
def test_only_the_multiplications_of_kernel_are_unknown(operator):
    known = cost.multiplications(*built(operator), SIZE) is not None
    assert known is (operator != "kernel")


def test_the_layout_is_that_of_the_maps():
    def network(*strides):
        return nn.Sequential(*[nn.Conv2d(4, 4, 3, padding=1, stride=s) for s in strides]).eval()

    x = torch.randn(1, 4, 8, 8)
    assert layout_of(network(1), x) == "contiguous"
    assert layout_of(network(1).to(memory_format=torch.channels_last), x) == "channels_last"
    assert layout_of(nn.ReLU(), x) == "contiguous"
    mixed = network(1, 2)
    mixed[1].register_forward_hook(lambda _m, _x, y: y.contiguous())
    assert layout_of(mixed.to(memory_format=torch.channels_last), x) == "mixed"
    swapped = network(1)
    swap(swapped, (4, 8, 8), name="n", algorithm=("winograd", {}))
    assert layout_of(swapped, x) == "channels_last"
