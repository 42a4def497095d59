"""What the folders of plans need no longer. Standing records and scores are never among it."""

import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

from harness.coordination.lock import at_work, folder_of_plan, owned, plan_names
from harness.coordination.retention import Rule, bytes_in
from harness.errors import UserError
from harness.files import read_json, read_json_lines
from harness.results.store import load_all

SECONDS_A_DAY = 86400
LEFTOVERS = ("*/last.tmp", "*/.*.tmp", ".*.tmp")


@dataclass(frozen=True)
class Garbage:
    """A file or folder that may go."""

    plan: str
    what: str
    path: str
    bytes: int


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What is to be looked for: `keep` in place of each plan's own rule, the rest only if asked."""

    keep: int | None = None
    old_days: float | None = None
    cache: Path | None = None


def collect(
    runs: Path, names: Sequence[str], wanted: Wanted, *, dry_run: bool
) -> tuple[list[Garbage], list[str]]:
    """Remove what plans need no longer, or only find it; also the plans left alone: at work."""
    found, busy = list[Garbage](), list[str]()
    for name in names or plan_names(runs):
        folder = folder_of_plan(runs, name)
        if at_work(folder):
            busy.append(name)
            continue
        with nullcontext() if dry_run else owned(folder, name):
            found += _collect(_in_plan(folder, wanted), name, dry_run=dry_run)
    if wanted.cache is not None:
        if working := [name for name in plan_names(runs) if at_work(runs / name)]:
            raise UserError(f"--caches: not while a plan is at work: {', '.join(working)}")
        found += _collect(_unused(wanted.cache, runs), "", dry_run=dry_run)
    return found, busy


def _collect(candidates: Iterator[tuple[str, Path]], plan: str, *, dry_run: bool) -> list[Garbage]:
    found = []
    for what, path in list(candidates):
        content = bytes_in(path) if path.is_dir() else path.stat().st_size
        found.append(Garbage(plan, what, str(path), content))
        if not dry_run:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    return found


def _in_plan(folder: Path, wanted: Wanted) -> Iterator[tuple[str, Path]]:
    rule = _rule(folder)
    if wanted.keep is not None:
        rule = replace(rule, best=wanted.keep)
    for checkpoint in rule.surplus(rule.kept(folder)):
        yield f"checkpoint beyond the best {rule.best}", checkpoint.path
    for path in folder.glob("*.broken-*"):
        yield "broken journal", path
    for pattern in LEFTOVERS:
        yield from (("leftover of a write", path) for path in folder.glob(pattern))
    for record in folder.glob("*.old-*/record.json"):
        path, days = record.parent, (time.time() - record.stat().st_mtime) / SECONDS_A_DAY
        if wanted.old_days is not None and days >= wanted.old_days:
            yield f"set aside, {days:.0f} days old", path
        elif (path / "last.ckpt").is_file():
            yield "checkpoint of a record set aside", path / "last.ckpt"


def _rule(folder: Path) -> Rule:
    """As of the last launch."""
    planned = [li for li in read_json_lines(folder / "plan.jsonl") if li["event"] == "planned"]
    return Rule(**planned[-1]["rule"]) if planned else Rule()


def _unused(cache: Path, runs: Path) -> Iterator[tuple[str, Path]]:
    """Complete caches whose hash is in no record."""
    used = {record.data_hash for record in load_all(runs)}
    for index in sorted(cache.glob("*/index.json")):
        if read_json(index).get("hash") not in used:
            yield "cache that no record refers to", index.parent
