"""Workers go on while the coordinator is held up."""

from harness.coordination.executors.contract import End, Report
from harness.coordination.executors.relay import Relay
from harness.train.channel import GO, Verdict


class Scripted:
    """An executor that gives what it was told to, and keeps the answers."""

    room = 1

    def __init__(self, *batches):
        self.batches, self.answers = list(batches), []

    def events(self, _seconds):
        return self.batches.pop(0) if self.batches else []

    def answer(self, key, verdict):
        self.answers.append((key, verdict))


def test_trainings_go_on_while_the_coordinator_is_held_up():
    """An epoch is answered at once, heard later, and a verdict that comes late still arrives."""
    first, second, third = (Report("a", "epoch", {"epoch": n}) for n in (1, 2, 3))
    inner = Scripted([first], [Report("a", "step", {})], [second, third], [End("a", "")])
    relay = Relay(inner)
    assert relay.events(1) == [first]
    relay.meanwhile(0.2)  # held up while it judges the first
    assert inner.answers == [("a", GO)] * 3
    relay.answer("a", GO)
    assert relay.events(1) == [Report("a", "step", {}), second, third, End("a", "")]
    relay.answer("a", GO)
    pruned = Verdict("end", "pruned", "after epoch 3")
    relay.answer("a", pruned)
    assert inner.answers == [("a", GO)] * 3 + [("a", pruned)]
