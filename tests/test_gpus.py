"""Slots on GPUs, where there is none: what a worker would see of them."""

from collections import Counter
from types import SimpleNamespace

import pytest
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
