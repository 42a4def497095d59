"""The tests of the kernels with AddressSanitizer and UBSan compiled in: `make soak` alone.

They also watch the kernels' scratch memory beyond what was asked for.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.convs.native import compiler, library

SANITIZE = ("-fsanitize=address,undefined", "-fno-sanitize-recover=undefined")
RUNTIMES = ("libasan.so", "libubsan.so")


def runtimes():
    """The libraries to be loaded before all else; skips where this compiler has none."""
    command = compiler.find_compiler()
    if command is None:
        pytest.skip("no C++ compiler")
    for name in RUNTIMES:
        done = subprocess.run(
            [*command, f"-print-file-name={name}"], capture_output=True, text=True, check=False
        )
        path = Path(done.stdout.strip())
        if not path.is_absolute():  # not found: the bare name
            pytest.skip(f"{command[0]} has no {name}")
        yield str(path)


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("instruction_set", compiler.ARCHITECTURES)
def test_nothing_is_read_or_written_beyond_its_end(instruction_set, tmp_path, monkeypatch, depth):
    if not depth(False, True):
        pytest.skip("compiling takes minutes: make soak")
    if not library.CPU_FLAGS[instruction_set] <= library._cpu_flags():
        pytest.skip(f"this CPU has no {instruction_set}")
    preload = " ".join(runtimes())
    command = compiler.find_compiler()
    name = compiler.file_name(instruction_set, compiler.version_of(command))  # as it is looked for
    faster = [flag.replace("-O3", "-O1") for flag in compiler.FLAGS]
    monkeypatch.setattr(compiler, "FLAGS", (*faster, *SANITIZE, "-g1"))
    kernels = tmp_path / "harness" / "native" / name
    # Linked like any other: what it calls of the runtimes is loaded before it.
    compiler.compile_kernels([*command, *SANITIZE], instruction_set, kernels)
    environment = os.environ | {
        "HARNESS_NATIVE": instruction_set,
        "XDG_CACHE_HOME": str(tmp_path),
        "LD_PRELOAD": preload,
        "ASAN_OPTIONS": "detect_leaks=0",
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    environment.pop("HARNESS_SOAK", None)  # the usual depth: everything is slower here
    program = (
        "import sys, pytest\n"
        "outcome = pytest.main(sys.argv[1:])\n"
        "from harness.convs.native.library import kernels\n"
        f"assert str(kernels().path) == {str(kernels)!r}\n"
        "sys.exit(outcome)"
    )
    tests = str(Path(__file__).with_name("test_winograd.py"))
    done = subprocess.run(
        [sys.executable, "-c", program, "-q", "-p", "no:cacheprovider", tests],
        env=environment,
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
