"""What a process used: CPU of all its threads, resident memory; from the kernel's own books (Linux)."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_TICK_S = 1.0 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Moment:
    """Wall clock (monotonic) and CPU of this process with all its threads, both in seconds."""

    wall_s: float
    cpu_s: float

    @classmethod
    def now(cls, clock: Callable[[], float] = time.perf_counter) -> Moment:
        """Read both clocks."""
        used = resource.getrusage(resource.RUSAGE_SELF)
        return cls(clock(), used.ru_utime + used.ru_stime)

    def since(self, earlier: Moment) -> Moment:
        """The difference."""
        return Moment(self.wall_s - earlier.wall_s, self.cpu_s - earlier.cpu_s)


def rss_mb() -> float:
    """Resident memory of this process now, in MB (10^6 bytes)."""
    return _status_mb("VmRSS")


def peak_rss_mb() -> float:
    """The most resident memory that this process ever had, in MB."""
    return _status_mb("VmHWM")


def _status_mb(name: str) -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1]) * 1024 / 1e6
    raise RuntimeError(f"/proc/self/status has no {name}")


def thread_cpu() -> dict[str, float]:
    """CPU seconds by thread name (threads of one name are added up), at a resolution of a clock tick."""
    used: dict[str, float] = {}
    for task in Path("/proc/self/task").iterdir():
        try:
            text = (task / "stat").read_text()
        except OSError:
            continue  # the thread has just ended
        name, fields = text[text.index("(") + 1 : text.rindex(")")], text[text.rindex(")") + 2 :].split()
        used[name] = used.get(name, 0.0) + (int(fields[11]) + int(fields[12])) * _TICK_S
    return used
