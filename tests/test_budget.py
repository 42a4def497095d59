"""Budgets of a search: what trials used, and when no further one may start."""

from dataclasses import replace

import pytest
from fake_records import record
from hypothesis import given
from hypothesis import strategies as st

from harness.planning.budget import Budget, Use, use_of

USES = st.lists(
    st.builds(
        Use,
        epochs=st.integers(1, 20),
        seconds=st.floats(0.5, 5000),
        devices=st.integers(1, 8),
    ),
    max_size=10,
)


def at(second):
    return f"2026-01-01T00:{second // 60:02}:{second % 60:02}.000+00:00"


def event(name, second, **facts):
    return {"event": name, "time": at(second), **facts}


@pytest.mark.parametrize(
    ("budget", "used"),
    [
        (Budget(trials=4), 3),
        (Budget(epochs=9), 8),
        (Budget(hours=0.5), 0.25),
        (Budget(device_hours=1), 0.5),
    ],
)
def test_each_budget_in_its_own_unit(budget, used):
    uses = [Use(epochs=5, seconds=600, devices=2), Use(epochs=3, seconds=300, devices=2), Use()]
    assert budget.used(uses) == pytest.approx(used)
    assert budget.remaining(uses) == pytest.approx(budget.limit - used)
    assert not budget.spent(uses)
    assert budget.spent(uses * 5)


@given(USES, st.sampled_from(["trials", "epochs", "hours", "device_hours"]), st.integers(1, 30))
def test_a_search_that_stops_when_spent_goes_over_by_less_than_its_last_trial(uses, kind, limit):
    budget, begun = Budget(**{kind: limit}), []
    for use in uses:
        if budget.spent(begun):
            break
        begun.append(use)
    assert budget.used(begun[:-1]) < limit or not begun
    assert budget.remaining(begun) == max(0, limit - budget.used(begun))
    assert budget.spent(begun) == (budget.used(begun) >= limit)


def test_the_epochs_of_a_trial_are_those_that_were_trained():
    """A killed trial goes on from its checkpoint; a pruned one stops before its last epoch."""
    config = {"train": {"epochs": 10}}
    log = [event("start", 0), *(event("epoch", 10 * n, epoch=n) for n in (1, 2))]
    log += [event("start", 100), event("epoch", 105, epoch=3), event("finish", 110)]
    trial = record(config=config, seconds=9.0, status="pruned")
    assert use_of(trial, log) == Use(epochs=3, seconds=20 + 10)
    assert use_of(record(config=config, seconds=70.0)) == Use(epochs=10, seconds=70.0)
    failed = record(config=config, seconds=0.0, status="failed")
    assert use_of(failed, log[:1]) == Use(epochs=1, seconds=60.0)
    assert use_of(replace(failed, seconds=70.0), log[:1]) == Use(epochs=1, seconds=70.0)
    spread = {"train": config["train"] | {"parallel": {"name": "ddp", "ranks": 4}}}
    assert use_of(record(seconds=1.0, config=spread)).devices == 4
    assert use_of(record(seconds=1.0, config=spread, status="failed"), log[:1]).devices == 4


def test_a_budget_says_what_it_is():
    assert str(Budget(device_hours=1.5)) == "1.5 device-hours"
    assert str(Budget(epochs=40)) == "40 epochs"
