"""Native kernels: compiled once, found again, chosen by the CPU, or missing for a stated reason."""

import ctypes
import os
import re
import shutil
import subprocess
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier, get_ident

import pytest

from harness.convs.native import compiler, library
from harness.errors import UserError

ROOT = Path(__file__).parents[1]
UNIT = "about.cpp"


@pytest.fixture
def afresh(monkeypatch, tmp_path):
    """A machine that has compiled nothing yet, and of the sources the smallest alone."""
    small = tmp_path / "package"
    (small / "src").mkdir(parents=True)
    for name in (UNIT, "export.h", "vector.h"):
        shutil.copy(compiler.HERE / "src" / name, small / "src")
    monkeypatch.setattr(compiler, "HERE", small)
    monkeypatch.setattr(library, "BUILT", small / "built")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("HARNESS_NATIVE", raising=False)
    library._found.cache_clear()
    yield tmp_path
    library._found.cache_clear()


@pytest.fixture
def native(afresh):
    if library.unavailable():
        pytest.skip(library.unavailable())
    return afresh


def script(path, text):
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def change_a_source():
    path = compiler.HERE / "src" / UNIT
    path.write_text(path.read_text() + "// changed\n")
    library._found.cache_clear()


def kept(folder):
    return sorted(
        p.name for p in (folder / "cache" / "harness" / "native").glob("*") if p.suffix != ".lock"
    )


def test_the_library_is_compiled_for_the_instruction_set_that_it_names(native, monkeypatch):
    for name, lanes in {"avx512": 16, "avx2": 8}.items():
        if library.CPU_FLAGS[name] <= library._cpu_flags():
            monkeypatch.setenv("HARNESS_NATIVE", name)
            assert library.instruction_set() == name
            assert library.library().harness_vector_width() == lanes


def test_it_is_compiled_once_and_says_so_once(native, caplog):
    [name] = kept(native)
    caplog.clear()
    library._found.cache_clear()
    assert library.kernels().path == native / "cache" / "harness" / "native" / name
    assert not caplog.records
    change_a_source()
    assert library.unavailable() is None
    assert [record.getMessage()[:32] for record in caplog.records] == [
        "compiling the native kernels for"
    ]
    assert len(kept(native)) == 2


def test_many_at_once_compile_once(native, monkeypatch):
    count = native / "count"
    gcc = compiler.find_compiler()[0]
    wrapper = script(native / "cxx", f'echo "$@" >> {count}\nexec {gcc} "$@"')
    monkeypatch.setenv("CXX", f"{wrapper} -DOTHER")
    monkeypatch.setenv("XDG_CACHE_HOME", str(native / "second"))
    with ThreadPoolExecutor(4) as pool:
        found = pool.map(library._from_cache, [library.instruction_set()] * 4)
    assert len({path for path, _ in found}) == 1
    assert count.read_text().count("-DOTHER -c ") == 1


def test_a_library_in_the_package_is_used_before_any_compiler(native, monkeypatch):
    chosen = library.instruction_set()
    carried = library.BUILT / compiler.file_name(chosen)
    compiler.compile_kernels(compiler.find_compiler(), chosen, carried)
    monkeypatch.setenv("CXX", "absent")
    library._found.cache_clear()
    assert library.kernels().path == carried
    change_a_source()
    assert library.unavailable().startswith("no C++ compiler was found")


def test_a_library_that_was_cut_short_is_compiled_again(native, monkeypatch):
    """Once, however many find it so: none of them throws away what another has made."""
    chosen = library.instruction_set()
    change_a_source()  # this process has mapped the library that was there
    version = compiler.version_of(compiler.find_compiler())
    path = library.cache_folder() / compiler.file_name(chosen, version)
    path.write_bytes(b"")
    load, compile_all, compiled = ctypes.CDLL, compiler.compile_kernels, []
    looking, waited = Barrier(4, timeout=60), set()

    def look(at):
        try:
            return load(at)
        except OSError:
            if get_ident() not in waited:  # until all of them have seen it
                waited.add(get_ident())
                looking.wait()
            raise

    def compile_kernels(*asked):
        compiled.append(asked)
        compile_all(*asked)

    monkeypatch.setattr(ctypes, "CDLL", look)
    monkeypatch.setattr(library, "compile_kernels", compile_kernels)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(library._from_cache, [chosen] * 4))
    assert {path for path, _ in found} == {path}
    assert len(compiled) == 1
    assert path.stat().st_size > 0


def test_what_the_compiler_says_is_the_reason_and_nothing_is_left(afresh, monkeypatch):
    (compiler.HERE / "src" / UNIT).write_text("int main() { return wrong; }\n")
    if compiler.find_compiler() is None:
        pytest.skip("no compiler")
    assert library.library() is None
    assert re.search(r"about\.cpp:1:\d+: error: .*wrong", library.unavailable())
    assert kept(afresh) == []


def test_a_compiler_that_cannot_be_run_is_a_reason(afresh, monkeypatch):
    monkeypatch.setenv("CXX", script(afresh / "cxx", "exit 3"))
    assert library.unavailable() == "exit code 3"


def test_a_cache_that_cannot_be_written_is_a_reason(afresh, monkeypatch):
    (afresh / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(afresh / "file"))
    if compiler.find_compiler() is None:
        pytest.skip("no compiler")
    assert "Not a directory" in library.unavailable()


def test_it_can_be_switched_off(afresh, monkeypatch):
    monkeypatch.setenv("HARNESS_NATIVE", "off")
    assert library.library() is None
    assert library.instruction_set() is None
    assert library.unavailable() == "switched off by HARNESS_NATIVE=off"


def test_a_wrong_choice_is_the_users_error(afresh, monkeypatch):
    monkeypatch.setenv("HARNESS_NATIVE", "avx51")
    with pytest.raises(UserError, match="^HARNESS_NATIVE=avx51: did you mean 'avx512'"):
        library.library()


@pytest.mark.parametrize("flags", ["flags\t\t: fpu sse2 avx\n", "Features : asimd\n", None])
def test_an_older_or_another_cpu_has_none(afresh, monkeypatch, flags):
    if flags is not None:
        (afresh / "cpuinfo").write_text(f"processor\t: 0\n{flags}")
    monkeypatch.setattr(library, "CPUINFO", afresh / "cpuinfo")
    assert library.unavailable() == "needs an x86-64 CPU with AVX2, under Linux"


def test_an_instruction_set_that_the_cpu_lacks_is_not_forced(afresh, monkeypatch):
    (afresh / "cpuinfo").write_text(f"flags : fpu {' '.join(library.AVX2)}\n")
    monkeypatch.setattr(library, "CPUINFO", afresh / "cpuinfo")
    monkeypatch.setenv("HARNESS_NATIVE", "avx512")
    with pytest.raises(UserError, match="this CPU has no avx512; it has avx2$"):
        library.library()


def test_threads_are_those_of_torch():
    """One OpenMP runtime in a process: two would fight for the cores."""
    if library.unavailable():
        pytest.skip(library.unavailable())
    program = (
        "from harness.convs.native.library import library; library()\n"
        "for line in open('/proc/self/maps'): print(line.split()[-1])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    runtimes = {line for line in done.stdout.split() if re.search(r"/lib(g|i)?omp\d?[-.]", line)}
    assert len(runtimes) == 1
    assert any("/kernels-" in line for line in done.stdout.split())


def test_a_wheel_carries_the_kernels(native):
    """Installed from it, they run with no compiler to be found."""
    project = native / "project"
    project.mkdir()
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, project)
    # Compiling all sources twice would take long; every other file is there.
    unneeded = shutil.ignore_patterns("__pycache__", "built", "[!a]*.cpp")
    shutil.copytree(ROOT / "harness", project / "harness", ignore=unneeded)
    arguments = "wheel . -q --no-build-isolation --no-deps --disable-pip-version-check -w dist"
    subprocess.run([sys.executable, "-m", "pip", *arguments.split()], cwd=project, check=True)
    [wheel] = project.glob("dist/*.whl")
    assert wheel.name.endswith("-py3-none-linux_x86_64.whl")
    site = native / "site"
    zipfile.ZipFile(wheel).extractall(site)
    program = (
        "from harness.convs.native import library as l; print(l.kernels().path, l.unavailable())"
    )
    without = {**os.environ, "PYTHONPATH": str(site), "PATH": str(native), "CXX": ""}
    run = {"cwd": native, "env": without, "capture_output": True, "text": True}
    done = subprocess.run([sys.executable, "-c", program], check=True, **run)
    path, reason = done.stdout.rsplit(maxsplit=1)
    assert Path(path).parent == site / "harness" / "convs" / "native" / "built"
    assert reason == "None"
