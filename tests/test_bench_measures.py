"""What is measured is what is really there, or it is said why it is not known."""

import os
import signal
from functools import partial

import pytest
import torch
from shapes import CONV_FUSION

from harness.bench.compiled import frozen, uncompilable
from harness.bench.energy import energy, rapl
from harness.bench.isolated import LostError, isolated
from harness.bench.layout import layout_of
from harness.bench.machine import Load, bench
from harness.bench.memory import extra_mb
from harness.bench.models import ModelsAsked, bench_models
from harness.bench.networks import Subject, subjects_of
from harness.bench.ours import variants_of
from harness.bench.timer import latency_ms, throughput
from harness.convs import OPERATORS
from harness.convs.algorithms import im2col
from harness.convs.swap import swap
from harness.errors import UserError

CPU = torch.device("cpu")
MEGABYTE = 10**6


def test_a_process_of_its_own_answers_raises_or_is_lost():
    assert isolated(divmod, 7, 2) == (3, 1)
    assert isolated(os.getpid) != os.getpid()
    with pytest.raises(ZeroDivisionError):
        isolated(divmod, 1, 0)
    with pytest.raises(LostError):
        isolated(signal.raise_signal, signal.SIGKILL)


def test_memory_of_a_call_is_what_it_touches():
    found = isolated(extra_mb, partial(bytearray, 40 * MEGABYTE))
    if found is None:
        pytest.skip("the peak cannot be reset here")
    assert 38 < found < 44
    assert isolated(extra_mb, int) < 2


def test_a_stream_is_raced_from_contiguous_weights():
    """Else a path of that name would time another layout: weights alone decide it."""
    streams = subjects_of(str(CONV_FUSION))
    networks = [(stream.build(), torch.zeros(1, *stream.size)) for stream in streams]
    assert [layout_of(network, x) for network, x in networks] == ["contiguous"] * 2


def package(folder, name, micro, wrap=100_000_000):
    home = folder / name
    home.mkdir(parents=True)
    (home / "energy_uj").write_text(f"{micro}\n")
    (home / "max_energy_range_uj").write_text(f"{wrap}\n")
    return home / "energy_uj"


def test_energy_is_read_from_every_package_and_wraps(tmp_path, monkeypatch):
    monkeypatch.setattr("harness.bench.energy.SECONDS", 0)
    first = package(tmp_path, "intel-rapl:0", 99_000_000)
    second = package(tmp_path, "intel-rapl:1", 5_000_000)
    package(tmp_path, "intel-rapl:0:0", 1)  # a part of the first: not counted again
    monkeypatch.setattr("harness.bench.energy.perf_counter", iter([0, -1, 0]).__next__)

    def call():
        first.write_text("3000000\n")
        second.write_text("7000000\n")

    used = energy(call, CPU, folder=tmp_path)
    assert used.joules == pytest.approx(4 + 2)
    assert "RAPL" in used.source


def test_energy_that_cannot_be_read_says_why(tmp_path):
    assert rapl(tmp_path / "gone")[1].startswith("no RAPL counters")
    nothing = energy(lambda: None, CPU, folder=tmp_path)
    assert nothing.joules is None
    assert nothing.source.startswith("n/a: no RAPL counters")


def test_a_bench_pins_one_thread_and_puts_everything_back():
    may, threads = os.sched_getaffinity(0), torch.get_num_threads()
    with bench(1) as how:
        assert os.sched_getaffinity(0) == {how.core}
        assert how.clock_name == "thread CPU"
    assert os.sched_getaffinity(0) == may
    if len(may) > 1:
        with bench(2) as how:
            assert (torch.get_num_threads(), how.core, how.clock_name) == (2, None, "wall")
    with pytest.raises(UserError, match=f"may use {len(may)} cores"), bench(len(may) + 1):
        pass
    assert torch.get_num_threads() == threads


def test_load_is_not_negative():
    with Load() as load:
        sum(range(1000))
    assert load.others is None or load.others >= 0


def test_latency_and_throughput_count_calls_after_warming_up():
    calls = []
    p50, p90 = latency_ms(lambda: calls.append(1), CPU, warmup=2, repeats=5)
    assert len(calls) == 7
    assert 0 <= p50 <= p90
    assert throughput(lambda: calls.append(1), 8, CPU, warmup=1, repeats=2) > 0
    assert len(calls) == 10


def test_where_nothing_compiles_the_reason_stands(monkeypatch):
    monkeypatch.setattr("harness.bench.compiled.PROBE", "raise SystemExit('no compiler')")
    uncompilable.cache_clear()
    with pytest.raises(UserError, match="torch.compile failed: no compiler"):
        frozen(torch.nn.ReLU(), torch.zeros(1))
    uncompilable.cache_clear()
    monkeypatch.setattr("harness.bench.compiled.PROBE", "import time; time.sleep(60)")
    monkeypatch.setattr("harness.bench.compiled.SECONDS", 0.2)
    assert "not done after 0.2 s" in uncompilable()
    uncompilable.cache_clear()


def test_what_torch_compile_cannot_follow_is_a_reason_and_no_traceback(monkeypatch):
    monkeypatch.setattr("harness.bench.compiled.uncompilable", lambda: None)
    with pytest.raises(UserError, match="torch.compile failed: ."):
        frozen(Branches(), torch.zeros(1))


class Branches(torch.nn.Module):
    """Its way depends on values."""

    def forward(self, x):
        return x if x.sum() > 0 else -x


class Halves(torch.nn.Module):
    """One whose way depends on its input, so that torch.fx cannot follow it."""

    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 4, 3, padding=1)

    def forward(self, x):
        return torch.cat([self.conv(half) for half in x.chunk(2, dim=2)])


def test_a_network_that_cannot_be_traced_is_timed_as_it_is_and_says_so():
    subject = Subject(name="halves", size=(3, 12, 12), build=Halves)
    variants = variants_of("im2col", {})
    asked = ModelsAsked(subjects=[subject], variants=variants, seconds=0, compiled=False)
    [row] = bench_models(asked, lambda *_: None)
    assert row["unavailable"].startswith("batch norm folding: cannot be traced: ")
    assert row["ratio"] > 0
    assert row["share"] == 1


class Aliased(torch.nn.Module):
    """What torch.fx follows wrongly: two names of one map that is added to in place."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm = torch.nn.Conv2d(3, 3, 3, padding=1), torch.nn.BatchNorm2d(3)

    def forward(self, x):
        y = z = self.norm(self.conv(x))
        y += x
        return y * z


def test_who_computes_something_else_is_not_in_the_race(monkeypatch):
    variants = variants_of("im2col", {})
    subject = Subject(name="aliased", size=(3, 12, 12), build=Aliased)
    asked = ModelsAsked(subjects=[subject], variants=variants, seconds=0, compiled=False)
    [row] = bench_models(asked, lambda *_: None)
    assert "batch norm folding: its output differs" in row["unavailable"]
    assert row["ratio"] > 0

    def plain():
        return torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3, padding=1), torch.nn.ReLU())

    subject = Subject(name="plain", size=(3, 12, 12), build=plain)
    asked = ModelsAsked(subjects=[subject], variants=variants, seconds=0, compiled=False)
    [row] = bench_models(asked, lambda *_: None)
    assert row["ms/channels_last packed"] > 0
    assert row["ratio"] > 0
    convolve = im2col._convolve
    monkeypatch.setattr(im2col, "_convolve", lambda *given: convolve(*given) * 1.01)
    [row] = bench_models(asked, lambda *_: None)
    assert row["ratio"] is None
    assert row["reason"].startswith("its output differs from the network's own by ")


@pytest.mark.parametrize("operator", OPERATORS)
def test_networks_of_every_operator_are_raced_or_it_is_said_why_not(operator):
    def build():
        network = torch.nn.Sequential(*[torch.nn.Conv3d(8, 8, 3, padding=1) for _ in range(3)])
        swap(network, (8, 4, 8, 8), name="n", operator=(operator, {}))
        return network

    subject = Subject(name="n", size=(8, 4, 8, 8), build=build)
    variants = variants_of("im2col", {})
    asked = ModelsAsked(subjects=[subject], variants=variants, seconds=0, compiled=False)
    [row] = bench_models(asked, lambda *_: None)
    assert row["ratio"] or row["reason"].startswith("conv im2col replaces nothing in n: ")
    assert ("ms/channels_last packed" in row) != ("cannot be traced: " in row["unavailable"])
