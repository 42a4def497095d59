"""Tuned tiles: chosen once, kept in a file, and measured where native code computes alone."""

import json
import os
import subprocess
import sys
from copy import deepcopy
from textwrap import dedent

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch._subclasses import FakeTensorMode
from torch.fx.experimental.proxy_tensor import make_fx
from winograd_cases import cases, errors, needs_native, threads

from harness.convs.algorithms import tuning
from harness.convs.algorithms.tile_race import candidates
from harness.convs.algorithms.winograd import Winograd
from harness.convs.native.library import kernels
from harness.convs.swap import dry_run, swap

pytestmark = needs_native

X = torch.linspace(-1, 1, 2 * 5 * 8 * 8).view(2, 5, 8, 8)


@pytest.fixture
def folder(monkeypatch, tmp_path):
    """A cache in which nothing is chosen yet."""
    kernels()  # compiled or found where they are
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(tuning, "_chosen", {})
    tuning._say.cache_clear()
    return tmp_path / "harness" / "native"


@pytest.fixture
def measured(folder, monkeypatch):
    """The tasks that were measured; what comes out is the last candidate but one."""
    tasks = []

    def fake(task):
        tasks.append(task)
        return candidates(task)[-2]

    monkeypatch.setattr(tuning, "fastest", fake)
    return tasks


def new(dimensions=2, **options):
    kind = [nn.Conv2d, nn.Conv3d][dimensions - 2]
    return Winograd(tile="tuned").replace(kind(5, 20, 3, padding=1, **options)).eval()


def computed(conv, x=X):
    with torch.no_grad():
        return conv(x)


def restart():
    tuning._chosen.clear()
    tuning._say.cache_clear()


def file_in(folder):
    [path] = folder.glob("tiles-*.json")
    return path


def test_a_choice_is_made_once_and_used_by_all(measured):
    conv = new()
    y = computed(conv)
    assert torch.equal(computed(conv), y)
    computed(new())
    conv.train()
    conv(X).sum().backward()
    assert len(measured) == 1
    assert conv.choices == {"4x2"}
    fixed = Winograd(tile=[4, 2]).replace(conv).eval()
    assert torch.equal(computed(fixed), y)
    assert list(conv.prepared) == [((4, 2), (False, False))]


def test_another_process_reads_it(measured, folder):
    computed(new())
    restart()
    conv = new()
    computed(conv)
    assert len(measured) == 1
    assert conv.choices == {"4x2"}
    content = json.loads(file_in(folder).read_text())
    assert content["tiles"] == {
        "3x3, padding 1x1, 5 to 20 channels, batch 2 of 8x8, threads 1": [4, 2]
    }
    assert content["kernels"] == kernels().path.name


def test_whatever_times_depend_on_is_chosen_for_by_itself(measured):
    others = [X, X[:1], X[..., :7], torch.randn(2, 5, 8, 8, 8)]
    for conv, x in zip([new(), new(), new(), new(3)], others, strict=True):
        computed(conv, x)
    with threads(2):
        computed(new())
    for changed in (nn.Conv2d(5, 20, 3), nn.Conv2d(5, 9, 3, padding=1), nn.Conv2d(5, 20, (1, 3))):
        computed(Winograd(tile="tuned").replace(changed).eval())
    assert len({str(task) for task in measured}) == len(measured) == 8


DAMAGED = {
    "cut": lambda text: text[: len(text) // 2],
    "empty": lambda _: "",
    "a list": lambda _: "[1]",
    "a number": lambda _: "3",
    "no tiles": lambda _: "{}",
    "tiles in a list": lambda text: json.dumps(json.loads(text) | {"tiles": [1]}),
    "a tile in a word": lambda text: text.replace(json.dumps([4, 2]), '"4x2"'),
    "another machine's": lambda text: json.dumps(json.loads(text) | {"cpu": "8086"}),
    "not UTF-8": lambda _: "\udcff",
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_damaged_file_is_said_and_written_again(measured, folder, caplog, damage):
    computed(new())
    path = file_in(folder)
    whole = path.read_bytes()
    text = json.dumps(json.loads(whole))
    path.write_bytes(DAMAGED[damage](text).encode(errors="surrogateescape"))
    restart()
    caplog.clear()
    computed(new())
    said = [record.getMessage() for record in caplog.records]
    assert said[0] == f"{path} is damaged: its tiles are measured again"
    assert len(said) == 2  # and that they are measured
    assert len(measured) == 2
    assert path.read_bytes() == whole


@pytest.mark.parametrize("tile", [[6, 6], [4], [1, 4], [4, 4, 4], ["4", 4], [[4], 2], []], ids=str)
def test_a_tile_that_is_no_candidate_is_measured_again(measured, folder, tile):
    computed(new())
    path = file_in(folder)
    content = json.loads(path.read_text())
    content["tiles"] = dict.fromkeys(content["tiles"], tile)
    path.write_text(json.dumps(content))
    restart()
    computed(new())
    assert len(measured) == 2
    assert [*json.loads(path.read_text())["tiles"].values()] == [[4, 2]]


def test_a_cache_that_cannot_be_written_costs_a_warning(measured, monkeypatch, tmp_path, caplog):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    for _ in range(2):
        computed(new())
    computed(new(), X[:1])
    assert len(measured) == 2
    [said] = [r.getMessage() for r in caplog.records]
    assert said.startswith("Winograd's tiles are measured for this process alone: ")


def test_processes_that_tune_at_once_agree_and_lose_nothing(folder):
    """Both measure something else, and something that they share: the first of them for both."""
    program = """
        import os, time
        from harness.convs.algorithms import tuning
        from harness.convs.algorithms.tile_race import Task

        mine = os.fork() > 0
        def slowly(task):
            print("measured", flush=True)
            time.sleep(0.05)
            return (4, 4) if mine else (2, 2)
        tuning.fastest = slowly
        for channels in (3, 10 + mine, 4):
            task = Task((3, 3), (1, 1), channels, 8, (9, 9), 1, 1, "here")
            print(channels, tuning._settle(task), flush=True)
        if mine:
            os.wait()
    """
    command = [sys.executable, "-c", dedent(program)]
    environment = os.environ | {"HARNESS_NATIVE": "off"}  # no kernels in the new cache
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    said = done.stdout.splitlines()
    assert said.count("measured") == 4
    assert {"10 (2, 2)", "11 (4, 4)"} < set(said)
    assert len(set(said)) == 5  # of both that are shared, one answer
    assert len(json.loads(file_in(folder).read_text())["tiles"]) == 4


def compiled(conv, x):
    return torch.compile(conv, backend="eager")(x)


def faked(conv, x):
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        return conv(mode.from_tensor(x))


UNMEASURED = {
    "compiled": compiled,
    "fake": faked,
    "traced": lambda conv, x: torch.jit.trace(conv, x, check_trace=False),
    "make_fx": lambda conv, x: make_fx(conv)(x),
    "in double": lambda conv, x: deepcopy(conv).double()(x.double()),
    "told in double": lambda conv, x: deepcopy(conv).double().tile_of(conv, x.shape),
    "meta": lambda conv, x: dry_run(conv, x.to("meta")),
    "vmapped": lambda conv, x: torch.func.vmap(conv)(x[None]),
    "no batch": lambda conv, x: conv(x[:0]),
    "a tile that is fixed": lambda conv, x: Winograd().replace(conv)(x),
}


@pytest.mark.parametrize("how", UNMEASURED)
@pytest.mark.filterwarnings("ignore")  # tracing warns of all that it does
@pytest.mark.usefixtures("unchecked")
def test_nothing_is_measured_where_native_code_does_not_compute(measured, how):
    conv = new()
    with torch.no_grad():
        UNMEASURED[how](conv, X)
    assert measured == []
    assert conv.choices == set()


def test_nothing_is_measured_by_a_fallback(measured, monkeypatch):
    monkeypatch.setenv("HARNESS_NATIVE", "off")
    conv = new()
    torch.testing.assert_close(computed(conv), nn.Conv2d.forward(conv, X))
    assert measured == []
    assert conv.tile_of(conv, X.shape) == (4, 4)


def test_a_dry_run_tells_what_was_measured(measured):
    conv = new()
    on_meta = deepcopy(conv).to("meta")
    assert on_meta.tile_of(on_meta, X.shape) == (4, 4)  # by the rule
    computed(conv)
    assert on_meta.tile_of(on_meta, X.shape) == (4, 2)
    assert Winograd(tile="tuned").tile_of(nn.Conv2d(5, 20, 3, padding=1), X.shape) == (4, 2)
    assert len(measured) == 1


def test_a_record_says_which_tiles_were_used(measured):
    convs = [nn.Conv2d(3, 20, 3, padding=1), *(nn.Conv2d(20, 20, 3, padding=1) for _ in range(2))]
    network = nn.Sequential(*convs, nn.AdaptiveAvgPool2d(2), nn.Conv2d(20, 20, 3, padding=1))
    report = swap(network, (3, 8, 8), name="n", algorithm=("winograd", {"tile": "tuned"}))
    before = report.describe("cpu")
    assert "chose" not in before
    assert before.endswith("left: 1 (winograd: a map of 2 x 2)")
    network.eval()
    computed(network, torch.randn(1, 3, 8, 8))
    network[0].choices.add("2x2")
    assert "; winograd chose 4x2 in 3, 2x2 in 1; left: " in report.describe("cpu")
    copy, twin = deepcopy([network, report])
    assert twin.modules[0] is copy[0]
    assert len(measured) == 2


@given(case=cases(most=12), data=st.data())
def test_every_candidate_computes_what_torch_does(case, data):
    conv = Winograd(tile="tuned").replace(case.conv).eval()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tuning, "_chosen", {})
        patch.setattr(tuning, "_settle", lambda task: data.draw(st.sampled_from(candidates(task))))
        ours = computed(conv, case.x)
    double, size = deepcopy(case.conv).double(), deepcopy(case.conv).double()
    for parameter in size.parameters():
        parameter.data.abs_()
    with torch.no_grad():
        theirs, scale = double(case.x.double()), size(case.x.abs().double())
    assert max(errors([ours], [theirs], [scale])) < 1e-5


def test_a_network_is_tuned_and_remembered(folder):
    for _ in range(2):
        conv = new(3)
        x = torch.randn(1, 5, 4, 8, 8)
        torch.testing.assert_close(
            computed(conv, x), nn.Conv3d.forward(conv, x).detach(), rtol=1e-4, atol=1e-5
        )
        restart()
    assert len(json.loads(file_in(folder).read_text())["tiles"]) == 1
