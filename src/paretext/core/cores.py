"""available_cores(): how many cores this process may use, as far as the system says.

Three things limit it. The affinity mask says on which cores it may run (`taskset`, a container's
`--cpuset-cpus`). A control group's quota says how much processor time it gets a period, on however
many cores (`docker --cpus`, Kubernetes' `limits.cpu`): with the time of two cores, threads on
sixteen spend most of each period stopped. It is rounded up, and the tightest quota of the group and
its ancestors counts. And whoever set PYTHON_CPU_COUNT has said it (Python 3.13 reads it itself).
Sources: Linux, Documentation/admin-guide/cgroup-v2.rst ("cpu.max"), and
Documentation/scheduler/sched-bwc.rst for version 1.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath


def available_cores() -> int:
    """The cores that this process may use, at least 1."""
    told = os.environ.get("PYTHON_CPU_COUNT", "")
    if told.isdecimal() and int(told) > 0:
        return int(told)
    affinity = hasattr(os, "sched_getaffinity")
    cores = len(os.sched_getaffinity(0)) if affinity else os.cpu_count() or 1
    quota = cpu_quota()
    return cores if quota is None else min(cores, max(1, math.ceil(quota)))


def cpu_quota(root: Path = Path("/")) -> float | None:
    """The processor time that this process's control groups allow it, in cores; None: no limit.

    root: where /proc and /sys are.
    """
    quotas = [quota for folder in _groups(root) if (quota := _quota(folder)) is not None]
    return min(quotas, default=None)


def _groups(root: Path) -> Iterator[Path]:
    """The folders of this process's groups and of their ancestors, in both versions."""
    for line in _text(root / "proc/self/cgroup").splitlines():
        controllers, _, path = line.partition(":")[2].partition(":")
        if controllers == "":  # version 2: "0::/a/b"
            mounts = ["sys/fs/cgroup", "sys/fs/cgroup/unified"]
        elif "cpu" in controllers.split(","):
            mounts = [f"sys/fs/cgroup/{controllers}", "sys/fs/cgroup/cpu"]
        else:
            continue
        # Inside a container the path may be the host's, of which only the mount's root is seen.
        own = PurePosixPath("/", path.lstrip("/"))
        if ".." in own.parts:
            own = PurePosixPath("/")
        for mount in mounts:
            for group in (own, *own.parents):
                yield root / mount / str(group).lstrip("/")


def _quota(folder: Path) -> float | None:
    """The group's own limit; None where there is none, or its files are not as they should be."""
    try:
        if text := _text(folder / "cpu.max"):
            quota, period = text.split()
        else:
            quota = _text(folder / "cpu.cfs_quota_us")
            period = _text(folder / "cpu.cfs_period_us")
        cores = int(quota) / int(period)  # "max" is no number, and version 1 says -1 for it
    except (ValueError, ZeroDivisionError):
        return None
    return cores if cores > 0 else None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
