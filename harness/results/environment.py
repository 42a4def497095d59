"""What a number was made with: versions, commit, machine. Known without importing torch."""

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version

from harness.cpu import cpu_model

PACKAGES = (
    "twostream-harness",
    "torch",
    "torchvision",
    "pytorch-lightning",
    "torchmetrics",
    "numpy",
    "av",
    "decord",
    "opencv-contrib-python-headless",
    "optuna",
    "wandb",
)


def environment() -> dict[str, str]:
    return {
        "python": platform.python_version(),
        **{package: installed(package) for package in PACKAGES},
        "commit": commit(),
        "host": platform.node(),
        "os": platform.platform(),
        "cpu": cpu_model(),
        "cores": str(os.cpu_count()),
    }


def installed(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"


def commit() -> str:
    """The commit of the folder that the command runs in; "+" if it had changes; or "none"."""
    head = _git("rev-parse", "HEAD")
    if not head:
        return "none"
    return head[:12] + ("+" if _git("status", "--porcelain", "--untracked-files=no") else "")


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", *arguments], capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
