"""What the machine does while something is timed: who else had its cores, and for how long.

- **Wall and CPU time** of the process, all its threads together.
- **Waiting**: how long its threads were ready to run and had no core, as Linux counts it for each
  (`/proc/self/task/*/schedstat`, second number, nanoseconds: Documentation/scheduler/sched-stats).
  CPU time alone cannot tell a thread that was pushed aside from one that had nothing to do.
  Its own threads may be in each other's way, too, where there are more of them than cores.
- **Steal**: the share of the machine's time in which a virtual core was ready and its host ran
  another guest (`/proc/stat`, eighth number: man 5 proc_stat).
- **Others**: how long all cores together worked for anything but this process, its main one waiting
  meanwhile (`/proc/stat`, ticks of user, nice, system and interrupts, less its own CPU time).
- **Load**: how many threads of the whole machine ran or wanted to, averaged over the last minute.

What a system does not tell is NaN. Standard library alone: it is made before anything is imported.
"""

from __future__ import annotations

import contextlib
import math
import os
import time
from pathlib import Path

from paretext.core.cores import available_cores


class Meter:
    """Counts from the moment at which it is made."""

    def __init__(self, proc: Path = Path("/proc")) -> None:
        self._proc = proc
        self._stolen = _stolen(proc)
        self._worked = _worked(proc)
        self._waited = _waited(proc)
        self._cpu, self._wall = time.process_time(), time.perf_counter()

    def read(self) -> dict[str, float]:
        """The fields of `rounds.Conditions`."""
        wall, cpu = time.perf_counter() - self._wall, time.process_time() - self._cpu
        waited = max(_waited(self._proc) - self._waited, 0.0)  # threads may have ended since
        stolen, total = _stolen(self._proc)
        steal, ticks = stolen - self._stolen[0], total - self._stolen[1]
        return {
            "wall_seconds": wall,
            "cpu_seconds": cpu,
            "waited_seconds": waited,
            "others_seconds": max(_worked(self._proc) - self._worked - cpu, 0.0),
            "cores": float(available_cores()),
            "steal": steal / ticks if ticks else steal,  # no tick has passed: 0, or NaN
            "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else math.nan,
        }


def _waited(proc: Path) -> float:
    """Seconds that all threads of this process have waited for a core."""
    seconds = 0.0
    try:
        threads = list((proc / "self" / "task").iterdir())
        for thread in threads:
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has just ended
                seconds += int((thread / "schedstat").read_text(encoding="ascii").split()[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return math.nan
    return seconds


def _worked(proc: Path) -> float:
    """Seconds that all cores have worked, for whomever, since the start."""
    try:
        first = (proc / "stat").read_text(encoding="ascii").split("\n", 1)[0]
        user, nice, system, _, _, irq, soft = (int(each) for each in first.split()[1:8])
        return (user + nice + system + irq + soft) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, AttributeError):
        return math.nan


def _stolen(proc: Path) -> tuple[float, float]:
    """Ticks that the host kept to itself, and all ticks, of all cores since the start."""
    try:
        first = (proc / "stat").read_text(encoding="ascii").split("\n", 1)[0]
        ticks = [int(each) for each in first.split()[1:9]]
        return float(ticks[7]), float(sum(ticks))
    except (OSError, ValueError, IndexError):
        return math.nan, math.nan
