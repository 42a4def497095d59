"""Compiling the kernels: one shared library an instruction set, from the same sources.

Contract of the sources. Each `src/*.cpp` is one translation unit in C++17 of its own; it includes
headers of `src/`, never PyTorch's. What Python calls is marked EXPORT (export.h), is named
harness_* and takes pointers and numbers. The width of a vector follows from __AVX512F__. OpenMP is
compiled in but its runtime is not linked: the symbols are those of the runtime that PyTorch has
loaded, so that a process has one pool of threads.

This module needs the standard library alone: setup.py runs it before anything is installed.
"""

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
BUILT = HERE / "built"  # where a wheel carries its libraries
ARCHITECTURES = {"avx512": "x86-64-v4", "avx2": "x86-64-v3"}  # instruction sets, the best first
FLAGS = ("-O3", "-std=c++17", "-fopenmp", "-fPIC", "-fvisibility=hidden", "-ffp-contract=fast")
PATIENCE = 900.0  # seconds for a compiler, on a busy machine


class CompileError(Exception):
    """The compiler cannot be run or refuses the sources: its first line that says why."""


def sources() -> list[Path]:
    """The translation units and their headers, in a fixed order."""
    return sorted([*HERE.glob("src/*.cpp"), *HERE.glob("src/*.h")])


def file_name(instruction_set: str, version: str = "") -> str:
    """That of a library, with the hash of all that it is made of; `version`: of the compiler."""
    made_of = hashlib.sha256(repr((instruction_set, FLAGS, version)).encode())
    for path in sources():
        content = path.read_bytes()
        made_of.update(f"{path.name} {len(content)}\n".encode() + content)
    return f"kernels-{instruction_set}-{made_of.hexdigest()[:16]}.so"


def find_compiler() -> list[str] | None:
    """The command, which is CXX where that is set; None if there is none."""
    named = os.environ.get("CXX", "").split()
    commands = [named] if named else [["c++"], ["g++"], ["clang++"]]
    return next((command for command in commands if shutil.which(command[0])), None)


def version_of(compiler: list[str]) -> str:
    return _run([*compiler, "--version"])


def compile_kernels(compiler: list[str], instruction_set: str, target: Path) -> None:
    """Write the library `target`, whole or not at all; CompileError if it cannot be compiled."""
    target = target.absolute()  # the compiler runs in another folder
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        units = [str(path.resolve()) for path in sources() if path.suffix == ".cpp"]
        march = f"-march={ARCHITECTURES[instruction_set]}"
        _run([*compiler, "-c", *FLAGS, march, *units], folder)
        objects = [str(path) for path in Path(folder).glob("*.o")]
        # Clang's code calls a runtime of its own, which PyTorch need not have loaded.
        runtime = ["-fopenmp"] if "clang" in version_of(compiler) else []
        library = Path(folder) / target.name
        _run([*compiler, "-shared", *runtime, *objects, "-o", str(library)], folder)
        library.replace(target)


def _run(command: list[str], folder: str | None = None) -> str:
    environment = os.environ | {"LC_ALL": "C"}
    try:
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, errors="replace",
            timeout=PATIENCE, check=False
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CompileError(f"{command[0]} cannot be run: {error}") from error
    if done.returncode:
        said = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise CompileError(next((line for line in said if "error" in line), said[0]))
    return done.stdout
