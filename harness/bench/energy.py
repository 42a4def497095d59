"""Energy of a call, by the counters that the hardware keeps.

CPU: RAPL, through Linux' powercap (https://docs.kernel.org/power/powercap/powercap.html); it counts
whole packages, with whatever else runs on them. GPU: NVML's total energy
(https://docs.nvidia.com/deploy/nvml-api/). Where neither can be read, the reason stands instead of
a number.
"""

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import torch

from harness.bench.race import Call

POWERCAP = Path("/sys/class/powercap")
SECONDS = 1.0  # RAPL counts in milliseconds: a call is repeated for so long


@dataclass(frozen=True, kw_only=True)
class Energy:
    """Joules of one call, or why they are not known."""

    joules: float | None
    source: str


@dataclass(frozen=True, kw_only=True)
class Counter:
    """Joules since some moment, modulo `wrap`."""

    read: Callable[[], float]
    wrap: float
    source: str


def energy(call: Call, device: torch.device, *, folder: Path = POWERCAP) -> Energy:
    """The mean of one call, repeated for a second."""
    counters, why = nvml(device) if device.type == "cuda" else rapl(folder)
    if not counters:
        return Energy(joules=None, source=f"n/a: {why}")
    before = [counter.read() for counter in counters]
    began, turns = perf_counter(), 0
    while perf_counter() - began < SECONDS:
        call()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        turns += 1
    used = sum((c.read() - b) % c.wrap for c, b in zip(counters, before, strict=True))
    return Energy(joules=used / turns, source=counters[0].source)


def rapl(folder: Path) -> tuple[list[Counter], str]:
    """A counter for each processor package, or none and why."""
    packages = sorted(folder.glob("*-rapl:[0-9]")) if folder.is_dir() else []
    if not packages:
        return [], f"no RAPL counters in {folder}"
    try:
        for package in packages:
            _micro(package / "energy_uj")
    except PermissionError:
        return [], f"{packages[0] / 'energy_uj'} may not be read; ask the administrator"
    return [
        Counter(
            read=lambda p=package: _micro(p / "energy_uj"),  # type: ignore[misc]  # a lambda has no place for types
            wrap=_micro(package / "max_energy_range_uj"),
            source="RAPL, whole packages",
        )
        for package in packages
    ], ""


def _micro(file: Path) -> float:
    return int(file.read_text(encoding="ascii")) / 1e6


def nvml(device: torch.device) -> tuple[list[Counter], str]:
    """The GPU's counter, or none and why. Not run on a GPU yet."""
    try:
        library: Any = ctypes.CDLL("libnvidia-ml.so.1")
    except OSError as error:
        return [], f"NVML: {error}"
    uuid = f"GPU-{torch.cuda.get_device_properties(device).uuid}".encode()
    handle, millijoules = ctypes.c_void_p(), ctypes.c_ulonglong()
    for code in (
        library.nvmlInit_v2(),
        library.nvmlDeviceGetHandleByUUID(uuid, ctypes.byref(handle)),
        library.nvmlDeviceGetTotalEnergyConsumption(handle, ctypes.byref(millijoules)),
    ):
        if code:
            return [], f"NVML: error {code}"

    def read() -> float:
        library.nvmlDeviceGetTotalEnergyConsumption(handle, ctypes.byref(millijoules))
        return millijoules.value / 1e3

    return [Counter(read=read, wrap=float("inf"), source="NVML, whole GPU")], ""
