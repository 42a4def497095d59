"""The kernels compiled for this machine, loaded; or the reason why there are none.

Looked for in this order: the library that the installed package carries, if it was made of the
package's own sources; the user's cache, `$XDG_CACHE_HOME/harness/native` or `~/.cache/...`; a C++
compiler, which fills that cache once. The environment variable HARNESS_NATIVE chooses: `avx512` or
`avx2` for an instruction set other than the best, `off` for none.
"""

import ctypes
import logging
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch  # loads the OpenMP runtime whose symbols the kernels need
from filelock import FileLock

from harness.convs.native.compiler import (
    ARCHITECTURES,
    BUILT,
    CompileError,
    compile_kernels,
    file_name,
    find_compiler,
    version_of,
)
from harness.errors import UserError
from harness.registry import hint

log = logging.getLogger("harness")

CPUINFO = Path("/proc/cpuinfo")
AVX2 = {"abm", "avx2", "bmi1", "bmi2", "f16c", "fma", "movbe"}  # x86-64-v3, as Linux names it
CPU_FLAGS = {
    "avx2": AVX2,
    "avx512": AVX2 | {f"avx512{part}" for part in ("f", "bw", "cd", "dq", "vl")},
}


@dataclass(frozen=True, kw_only=True)
class Kernels:
    """The library, its instruction set and its file; or `reason`, one line why there is none."""

    library: ctypes.CDLL | None = None
    instruction_set: str | None = None
    path: Path | None = None
    reason: str | None = None


def kernels() -> Kernels:
    """What HARNESS_NATIVE asks for; UserError if there is no such instruction set, or not here."""
    return _found(os.environ.get("HARNESS_NATIVE") or None)


def library() -> ctypes.CDLL | None:
    return kernels().library


def unavailable() -> str | None:
    """Why there is no library, in one line; None if there is one."""
    return kernels().reason


def instruction_set() -> str | None:
    return kernels().instruction_set


@torch.compiler.assume_constant_result
def chosen_set() -> str | None:
    """The instruction set that HARNESS_NATIVE asks for, or the best here; nothing is loaded."""
    try:
        return _choose(os.environ.get("HARNESS_NATIVE") or None)
    except CompileError:
        return None


@cache
def _found(wish: str | None) -> Kernels:
    try:
        chosen = _choose(wish)
        path = _carried(chosen)
        loaded = None if path is None else ctypes.CDLL(str(path))
        if path is None or loaded is None:
            path, loaded = _from_cache(chosen)
        return Kernels(library=loaded, instruction_set=chosen, path=path)
    except (CompileError, OSError, RuntimeError) as error:  # the last: no home
        return Kernels(reason=str(error).splitlines()[0])


def _choose(wish: str | None) -> str:
    """The instruction set; CompileError if it is none."""
    if wish == "off":
        raise CompileError("switched off by HARNESS_NATIVE=off")
    if wish is not None and wish not in ARCHITECTURES:
        raise UserError(f"HARNESS_NATIVE={wish}: {hint(wish, [*ARCHITECTURES, 'off'])}")
    runs = [name for name in ARCHITECTURES if CPU_FLAGS[name] <= _cpu_flags()]
    if not runs:
        raise CompileError("needs an x86-64 CPU with AVX2, under Linux")
    if wish is not None and wish not in runs:
        raise UserError(f"HARNESS_NATIVE={wish}: this CPU has no {wish}; it has {', '.join(runs)}")
    return wish or runs[0]


def _cpu_flags() -> set[str]:
    """What CPU and kernel together can do; nothing is known elsewhere than under Linux."""
    try:
        with CPUINFO.open(encoding="utf-8", errors="replace") as lines:
            return next(
                (set(line.split()[2:]) for line in lines if line.startswith("flags")), set()
            )
    except OSError:
        return set()


def _carried(chosen: str) -> Path | None:
    path = BUILT / file_name(chosen)
    return path if path.is_file() else None


def _from_cache(chosen: str) -> tuple[Path, ctypes.CDLL]:
    """Compiled if need be: by one process, while others wait for it.

    A file there that cannot be loaded, cut short by a full disk for example, is made again.
    """
    compiler = find_compiler()
    if compiler is None:
        raise CompileError("no C++ compiler was found; install g++, or name one in CXX")
    path = cache_folder() / file_name(chosen, version_of(compiler))
    if (loaded := _loaded(path)) is not None:
        return path, loaded
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_suffix(".lock")):
        loaded = _loaded(path)  # by now another process may have made it
        if loaded is None:
            log.warning(
                "compiling the native kernels for %s, once; kept in %s", chosen, path.parent
            )
            compile_kernels(compiler, chosen, path)
            loaded = ctypes.CDLL(str(path))
    return path, loaded


def _loaded(path: Path) -> ctypes.CDLL | None:
    """None if there is no such file, or none that can be loaded."""
    try:
        return ctypes.CDLL(str(path))
    except OSError:
        return None


def cache_folder() -> Path:
    """The user's; RuntimeError if there is no home."""
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser())
    return root / "harness" / "native"
