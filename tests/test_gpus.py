"""Slots on GPUs, where there is none: what a worker would see of them."""

from collections import Counter
from types import SimpleNamespace

import pytest
import torch
from telling import tell_gpus

from harness.coordination.executors import local
from harness.coordination.executors.contract import End
from harness.coordination.executors.opening import open_executor
from harness.cpu import cores
from harness.errors import UserError
from harness.places import Places
from harness.settings import Settings, Site
from harness.train.channel import STOP


def executor(**site):
    return open_executor(Site(**site), Places(), Settings(threads=1), pytest.fail)


@pytest.fixture
def start(monkeypatch):
    """Begin so many workers; what each of them sees."""
    monkeypatch.setattr(local, "work", tell_gpus)

    def start(executor, *keys, ranks=1):
        for key in keys:
            executor.start(SimpleNamespace(key=key, label=key, ranks=ranks))
        seen = {}
        while len(seen) < len(keys):
            seen |= {report.key: report.facts for report in executor.events(5)}
        return seen

    return start


def leave(executor, *keys):
    for key in keys:
        executor.answer(key, STOP)
    left = set()
    while left < set(keys):
        left |= {event.key for event in executor.events(5) if isinstance(event, End)}


def test_each_worker_has_the_gpu_that_has_most_room(start):
    slots = executor(options={"gpus": ["0", "3"], "per_gpu": 2})
    assert slots.room == 4
    seen = start(slots, *"abcd")
    assert Counter(facts["gpus"] for facts in seen.values()) == {"0": 2, "3": 2}
    assert {facts["gpus"] for facts in start_pair(seen)} == {"0", "3"}  # not both on one
    assert not any(facts["too late"] for facts in seen.values())
    assert {facts["order"] for facts in seen.values()} == {"PCI_BUS_ID"}
    on_3 = [key for key, facts in seen.items() if facts["gpus"] == "3"]
    leave(slots, *on_3)
    assert [facts["gpus"] for facts in start(slots, "e", "f").values()] == ["3", "3"]
    leave(slots, *(set("abcdef") - set(on_3)))


def test_every_rank_sees_the_gpus_of_all(start):
    slots = executor(options={"gpus": ["0", "1", "2", "3"]})
    seen = start(slots, "a", "b", ranks=2)
    assert {facts["gpus"] for facts in seen.values()} == {"0,1", "2,3"}
    leave(slots, "a", "b")


def test_a_training_with_more_ranks_than_gpus_is_refused(monkeypatch):
    slots = executor(options={"gpus": ["0", "3"], "per_gpu": 2})
    slots.require(2)
    with pytest.raises(UserError, match="--gpus 0,3: too few for a training of 3 ranks"):
        slots.require(3)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(UserError, match=r"GPUs: too few for .* 2 ranks .*: there is 1"):
        local.require_gpus(2)
    jobs = executor(executor="slurm", options={"slurm": {"gpus_per_node": "1"}})
    with pytest.raises(UserError, match="--slurm gpus_per_node=1: too few"):
        jobs.require(2)


def test_ray_takes_nodes_that_are_large_enough(monkeypatch):
    """For another it would wait for ever; two ranks of one training cannot share a GPU."""
    on_ray = pytest.importorskip("harness.coordination.executors.on_ray")
    monkeypatch.setattr(on_ray, "_connect", lambda _: None)
    monkeypatch.setattr(on_ray.OnRay, "_survey", lambda _: None)
    monkeypatch.setattr(on_ray.OnRay, "_nodes", lambda self: frozenset(self._alive))
    cluster = on_ray.OnRay(Places(), Settings(threads=2), pytest.fail, per_gpu=4)
    cluster._alive = {"a": {"CPU": 4.0, "GPU": 1.0}, "b": {"CPU": 8.0, "GPU": 2.0}}
    assert cluster._nodes_for(1) == {"a", "b"}
    assert cluster._nodes_for(2) == {"b"}
    assert cluster._needs_of(2) == {"num_cpus": 4, "num_gpus": 2}
    with pytest.raises(UserError, match="3 ranks .* needs a node with 6 CPUs and 3 GPUs; .* 8 CPU"):
        cluster.require(3)


def start_pair(seen):
    return seen["a"], seen["b"]


def test_without_gpus_nothing_is_hidden(start):
    plain = executor()
    assert plain.room == cores()
    seen = start(plain, "a")
    leave(plain, "a")
    assert (seen["a"]["gpus"], seen["a"]["order"]) == (None, None)


@pytest.mark.parametrize(
    ("site", "said"),
    [
        ({"executor": "locl"}, "no executor named 'locl'; did you mean 'local'?"),
        ({"options": {"address": "auto"}}, "executor 'local' has no option 'address'; allowed: "),
    ],
)
def test_a_wrong_name_or_option_is_one_clear_line(site, said):
    with pytest.raises(UserError) as raised:
        executor(**site)
    assert said in str(raised.value)


@pytest.mark.parametrize(("name", "package"), [("ray", "ray"), ("slurm", "submitit")])
def test_a_missing_package_is_named_with_its_extra(monkeypatch, name, package):
    import sys

    for module in [m for m in sys.modules if m.split(".")[0] == package or f".on_{name}" in m]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(UserError, match=rf"{package} is missing; pip install .*\[{name}\]"):
        executor(executor=name)
