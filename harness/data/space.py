"""How much memory and disk there is."""

import os
import shutil
from functools import cache
from pathlib import Path

GB = 10**9
CGROUPS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


@cache
def memory() -> int:
    """Bytes that this process and its like may use: the machine's, or its container's if less."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limits = [Path(name).read_text().strip() for name in CGROUPS if Path(name).exists()]
    return min([machine, *(int(limit) for limit in limits if limit.isdigit())])


def free_disk(folder: Path) -> int:
    """Bytes that can be written into a folder, which need not exist yet."""
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    return shutil.disk_usage(there).free
