"""Tiles in a race: who is in it, and who wins."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from winograd_cases import needs_native, threads

from harness.convs.algorithms import tile_race
from harness.convs.algorithms.tile_race import Task, candidates, fastest


@given(
    kernel=st.lists(st.sampled_from([1, 3]), min_size=2, max_size=3).filter(lambda k: 3 in k),
    size=st.lists(st.integers(1, 9), min_size=3, max_size=3),
    channels=st.sampled_from([8, 1024]),
    batch=st.integers(1, 9),
)
def test_the_rules_tile_is_a_candidate(kernel, size, channels, batch):
    padding = tuple(r // 2 for r in kernel)
    size = tuple(size[: len(kernel)])
    task = Task(tuple(kernel), padding, channels, channels, size, batch, 1, None)
    assert task.rule in candidates(task)


@pytest.mark.parametrize(
    ("taken", "winner"),
    [
        ({(2, 2): 9, (2, 4): 4, (4, 2): 6, (4, 4): 5}, (2, 4)),
        ({(2, 2): 9, (2, 4): 7, (4, 2): 3, (4, 4): 5}, (4, 2)),  # the rule's is not near
        ({(2, 2): 9, (2, 4): 4.9, (4, 2): 6, (4, 4): 5}, (4, 4)),  # not worth another
        ({(2, 2): 9, (2, 4): 9, (4, 2): 9, (4, 4): 5}, (4, 4)),
    ],
)
def test_the_fastest_wins_if_it_is_clearly_faster_than_the_rules(monkeypatch, taken, winner):
    now = 0.0

    def fake(_task, _x, _weight, tile):
        def call():
            nonlocal now
            now += taken[tile]

        return call

    monkeypatch.setattr(tile_race, "_call", fake)
    task = Task((3, 3), (1, 1), 4, 4, (9, 9), 1, 1, None)
    assert task.rule == (4, 4)
    assert fastest(task, lambda: now) == winner


@needs_native
@pytest.mark.parametrize(("size", "count"), [((9, 9), 4), ((4, 9, 9), 9), ((1, 2, 9), 3)], ids=str)
@pytest.mark.parametrize("count_threads", [1, 2])
def test_measured_indeed(size, count, count_threads):
    kernel = (3,) * len(size)
    task = Task(kernel, (1,) * len(size), 16, 16, size, 2, count_threads, None)
    assert len(candidates(task)) == count
    before = torch.get_rng_state()
    with threads(count_threads):
        assert fastest(task) in candidates(task)
    assert torch.equal(torch.get_rng_state(), before)  # what a seed gives does not depend on it
