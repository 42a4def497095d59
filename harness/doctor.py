"""What works on this machine: a line a fact, with what to do where something is missing."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

from filelock import FileLock

from harness.mirror.mode import logged_in
from harness.places import Places
from harness.report.formats import ColumnSpec, Table, Value
from harness.results.environment import cpu_model, environment

GIB = 2**30
Finding = tuple[str, bool, str, str]  # what, whether it is well, the fact, what to do if not


def examine(places: Places) -> Table:
    checks: tuple[Callable[[Places], Iterator[Finding]], ...] = (
        _machine,
        _decoders,
        _folders,
        _data,
        _tracking,
        _versions,
    )
    rows: list[dict[str, Value]] = [
        {"check": what, "ok": ok, "fact": fact, "cure": "" if ok else cure}
        for check in checks
        for what, ok, fact, cure in check(places)
    ]
    titles = {"check": "check", "ok": "ok", "fact": "found", "cure": "what to do"}
    return Table("", tuple(ColumnSpec(key=k, title=t) for k, t in titles.items()), rows)


def _machine(_: Places) -> Iterator[Finding]:
    import torch

    from harness.convs.native.library import kernels

    yield "processor", True, f"{cpu_model()}, {os.cpu_count()} cores", ""
    yield "torch threads", True, str(torch.get_num_threads()), ""
    devices = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    yield "gpu", True, ", ".join(devices) or "none; trainings run on the processor", ""
    found = kernels()
    fact = found.reason or f"{found.instruction_set}, {found.path}"
    cure = "without them a convolution that has native code runs in PyTorch, labelled so"
    yield "native kernels", found.reason is None, fact, cure


def _decoders(_: Places) -> Iterator[Finding]:
    cure = "PyAV reads everything decord does; decord has wheels for x86-64 only"
    yield "decord", find_spec("decord") is not None, environment()["decord"], cure
    yield "PyAV", find_spec("av") is not None, environment()["av"], "pip install av"


def _folders(places: Places) -> Iterator[Finding]:
    for name, folder in (("cache", places.cache), ("runs", places.runs)):
        there = next(p for p in (folder.absolute(), *folder.absolute().parents) if p.exists())
        free = shutil.disk_usage(there).free / GIB
        yield f"{name}: space", free > 1, f"{free:.1f} GiB free in {there}", "free at least 1 GiB"
        yield f"{name}: locks and renames", *_locks(there)


def _locks(folder: Path) -> tuple[bool, str, str]:
    """Whether files can be locked and replaced here; network file systems may do neither."""
    cure = f"choose another folder than {folder}, on a local disk"
    try:
        with tempfile.TemporaryDirectory(dir=folder) as name:
            first, second = Path(name, "first"), Path(name, "second")
            with FileLock(Path(name, "lock"), timeout=1):
                first.write_text("1")
                os.link(first, second)
                first.replace(second)
    except (OSError, TimeoutError) as error:
        return False, f"{type(error).__name__}: {error}", cure
    return True, "work", ""


def _data(places: Places) -> Iterator[Finding]:
    for root in places.data:
        cure = "only moving_shapes, which the project writes itself, is at hand without it"
        yield f"data root {root}", root.is_dir(), "there" if root.is_dir() else "absent", cure


def _tracking(_: Places) -> Iterator[Finding]:
    fact = "logged in: runs go online" if logged_in() else "not logged in: runs are logged offline"
    yield "W&B", True, fact, ""


def _versions(_: Places) -> Iterator[Finding]:
    for package, version in environment().items():
        if package not in ("host", "cpu", "cores"):
            yield (
                package,
                version != "absent" or package == "decord",
                version,
                f"pip install {package}",
            )
