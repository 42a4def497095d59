"""What all tests share: one torch thread, how deep to go, and where real clips are."""

import os
import signal
import subprocess
from pathlib import Path

import pytest
import torch
from command_line import harness_here
from hypothesis import HealthCheck, settings
from jaxtyping import config
from toy_launch import toy_here  # noqa: F401 (a fixture)

SOAK = bool(os.environ.get("HARNESS_SOAK"))

quiet = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("test", max_examples=25, derandomize=True, **quiet)
settings.register_profile("soak", max_examples=500, **quiet)
settings.load_profile("soak" if SOAK else "test")

torch.set_num_threads(1)
# A shell starts background jobs deaf to Ctrl-C, and children inherit that; tests rely on it.
signal.signal(signal.SIGINT, signal.default_int_handler)
os.environ["WANDB_MODE"] = "offline"  # no test may reach out, whoever is logged in


@pytest.fixture(scope="session")
def depth():
    """`depth(2, 20)`: how often to do something, in `make test` and in `make soak`."""
    return lambda small, large: large if SOAK else small


@pytest.fixture(scope="session")
def real_clips() -> Path:
    """The folder of real clips; tests that need it are skipped where it is not set."""
    root = os.environ.get("HARNESS_TEST_DATA")
    if not root:
        pytest.skip("set HARNESS_TEST_DATA to the folder of real clips")
    return Path(root)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 200 kB and the command that changes its options."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", folder]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a small file system cannot be mounted here; run as root")
    try:
        yield (
            folder,
            lambda option: subprocess.run(["mount", "-o", f"remount,{option}", folder], check=True),
        )
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


@pytest.fixture
def here(tmp_path, monkeypatch, capsys):
    """A function that runs a command in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path / "data"))
    return lambda *words: harness_here(capsys, *words)


@pytest.fixture
def unchecked():
    """As users run it: annotations are looked at in tests alone."""
    before = config.jaxtyping_disable
    config.update("jaxtyping_disable", True)
    yield
    config.update("jaxtyping_disable", before)
