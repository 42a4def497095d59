"""What the coordinator does about failures, time and room. It changes no result and is in no key.

policy:
  retry: {preempted: 3, oom: 1, nan: 0, data: 0, time: 0, bug: 0}
  on_failure: continue          # or fail_fast, or {stop_after: 5}
  time_limit: 30m               # for each attempt at a cell
  keep: {best: 3}               # checkpoints of each arm on each data set; or all
  quota: 10GB                   # for the plan's folder
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from harness.config.document import Document, parse_override
from harness.config.merge import lay_over
from harness.config.schema import build, plain
from harness.errors import UserError
from harness.planning.quantities import BYTES, SECONDS, quantity
from harness.registry import hint

OFTEN = {"ge": 0}


def _read(text: str | None, units: dict[str, int]) -> float | None:
    return None if text is None else quantity(text, units)


@dataclass(kw_only=True)
class Retry:
    """How often a cell is started again after failures of each class; see failures.py.

    A lost process is worth another try; memory may have run out because of a neighbour, so that
    one waits until nothing runs beside it. What is not a number, wrong or a bug will be so again.
    """

    preempted: int = field(default=3, metadata=OFTEN)
    oom: int = field(default=1, metadata=OFTEN)
    nan: int = field(default=0, metadata=OFTEN)
    data: int = field(default=0, metadata=OFTEN)
    time: int = field(default=0, metadata=OFTEN)
    bug: int = field(default=0, metadata=OFTEN)


@dataclass(kw_only=True)
class OnFailure:
    """`continue`, `fail_fast`, or after how many failed cells the plan stops."""

    stop_after: int | None = field(default=None, metadata={"ge": 1})

    @classmethod
    def short(cls, word: str) -> dict[str, Any]:
        return {"stop_after": _said(word, {"continue": None, "fail_fast": 1}, "{stop_after: 5}")}


@dataclass(kw_only=True)
class Keep:
    """`all` checkpoints of finished cells, or the best of each arm on each data set; 0: none."""

    best: int | None = field(default=None, metadata={"ge": 0})

    @classmethod
    def short(cls, word: str) -> dict[str, Any]:
        return {"best": _said(word, {"all": None}, "{best: 3}")}


@dataclass(kw_only=True)
class Policy:
    """The `policy:` section of a sweep file."""

    retry: Retry = field(default_factory=Retry)
    on_failure: OnFailure = field(default_factory=OnFailure)
    time_limit: str | None = field(default=None, metadata={"check": partial(_read, units=SECONDS)})
    keep: Keep = field(default_factory=Keep)
    quota: str | None = field(default=None, metadata={"check": partial(_read, units=BYTES)})

    def retries(self, kind: str) -> int:
        return int(getattr(self.retry, kind))

    @property
    def seconds(self) -> float | None:
        """How long an attempt at a cell may take."""
        return _read(self.time_limit, SECONDS)

    @property
    def bytes(self) -> float | None:
        """How much the plan's folder may hold."""
        return _read(self.quota, BYTES)


def changed(policy: Policy, overrides: Sequence[str]) -> Policy:
    """The policy with `key=value` overrides, left to right, such as `retry.oom=2`."""
    document = Document(plain(policy), "--policy")
    for text in overrides:
        over = parse_override(text, option="--policy", example="on_failure=fail_fast")
        document = lay_over(Policy, document, over)
    return build(Policy, document)


def _said(word: str, words: dict[str, int | None], longer: str) -> int | None:
    if word not in words:
        raise UserError(f"{word!r} is not allowed; {hint(word, [*words, longer])}")
    return words[word]
