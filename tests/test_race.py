"""Timing with clocks that are not real: turns, medians, ratios, and when there is none."""

import pytest

from harness.bench.contest import Contest
from harness.bench.machine import BUSY, withheld
from harness.bench.race import LEAST, race, times_of


class Machine:
    """Its clock moves only by what its calls take."""

    def __init__(self):
        self.now, self.order = 0.0, []

    def clock(self):
        return self.now

    def call(self, name, *seconds):
        durations = iter([*seconds] * 100)

        def run():
            self.order.append(name)
            self.now += next(durations)

        return run


def test_calls_take_turns_and_the_first_of_a_turn_is_not_timed():
    machine = Machine()
    calls = {"a": machine.call("a", 9.0, 9.0, *[5.0, 1.0] * LEAST), "b": machine.call("b", 2.0)}
    times = race(calls, machine.clock, seconds=0, wall=machine.clock)
    assert machine.order == ["a", "a", "b", "b"] * (LEAST + 1)
    assert (times["a"].median, times["b"].median) == (1000.0, 2000.0)
    assert times["a"].rounds == LEAST


def test_short_calls_are_timed_some_at_a_time_as_many_for_all():
    machine = Machine()
    calls = {"a": machine.call("a", 0.004), "b": machine.call("b", 0.01)}
    times = race(calls, machine.clock, seconds=0.02, wall=machine.clock)
    assert machine.order[4:] == (["a"] * 6 + ["b"] * 6) * LEAST
    assert (times["a"].median, times["b"].median) == (pytest.approx(4), pytest.approx(10))


def test_a_race_of_no_seconds_takes_one_call_a_turn():
    machine = Machine()
    race({"a": machine.call("a", 0.004)}, machine.clock, seconds=0, wall=machine.clock)
    assert len(machine.order) == 2 * (LEAST + 1)


def test_a_race_ends_after_its_seconds_or_its_most_rounds():
    machine = Machine()
    calls = {"a": machine.call("a", 1.0)}
    assert race(calls, machine.clock, seconds=24, wall=machine.clock)["a"].rounds == 12
    assert race(calls, machine.clock, seconds=1e9, wall=machine.clock, most=20)["a"].rounds == 20


def test_times_are_medians_with_quartiles_in_milliseconds():
    times = times_of([0.001, 0.002, 0.003, 0.004, 0.1])
    assert (times.least, times.low, times.median, times.high) == (1.0, 2.0, 3.0, 4.0)
    assert times.p90 == pytest.approx(61.6)


def of(ms):
    return times_of([ms / 1000] * 3)


def contest(**changes):
    paths = {"forward": {"eager": of(4.0), "prepacked": of(3.0)}}
    facts = {"paths": paths, "ours": {"small": of(1.5)}, "load": 0.0, "busy": None}
    return Contest(**facts | changes)


def test_the_ratio_is_that_of_the_fastest_path_over_ours():
    raced = contest()
    row = raced.row("small", None)
    assert (raced.baseline, row["ratio"], row["reason"]) == ("prepacked", pytest.approx(2.0), None)
    facts = raced.facts()
    assert facts["ms/eager"] == pytest.approx(4.0)
    assert facts["baseline_ms"] == pytest.approx(3.0)


def test_each_part_of_a_step_takes_its_own_fastest_path():
    paths = {
        "forward": {"a": of(1.0), "b": of(2.0)},
        "weight gradient": {"a": of(5.0), "b": of(3.0)},
    }
    raced = contest(paths=paths, ours={"small": of(2.0)})
    assert raced.baseline == "a + b"
    assert raced.row("small", None)["ratio"] == pytest.approx(2.0)
    assert raced.facts()["ms/weight gradient/b"] == pytest.approx(3.0)


def test_a_busy_machine_a_fallback_and_a_refusal_have_a_reason_and_no_ratio():
    busy = contest(busy="wall time on a busy machine").row("small", None)
    assert (busy["ratio"], busy["ratio_of_least"]) == (None, None)
    assert busy["ms"] == pytest.approx(1.5)
    assert "busy" in busy["reason"]
    missing = contest().row("large", "no native kernel here")
    assert (missing["ratio"], missing["ms"]) == (None, None)
    assert missing["reason"] == "no native kernel here"


def test_only_wall_time_is_withheld_and_only_when_others_ran():
    assert withheld("wall", BUSY / 2) is None
    assert withheld("thread CPU", 2.0) is None
    assert "2.00 cores" in withheld("wall", 2.0)
