"""Named points at which the crash tests stop the process dead, so that each is known to have been hit.

`SPENDSTREAM_KILL_POINT=insert.after:3` kills the process (SIGKILL, nothing is cleaned up) the third time it gets
there; with `insert.after:3:FILE` it first writes the point's name to FILE, so that whoever armed it can tell this
death from any other. Without the variable a point costs a dictionary look-up, a few times a flush.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping

VARIABLE = "SPENDSTREAM_KILL_POINT"

POINTS = (
    "insert.before",
    "insert.after",
    "publish.before",
    "publish.after",
    "acknowledge.before",
    "acknowledge.after",
    "commit.before",
    "commit.after",
)
"""In the order in which a flush passes them."""

_armed: dict[str, int] = {}
_marker: dict[str, str] = {}


def arm(environment: Mapping[str, str]) -> None:
    """Read the variable. Raises ValueError for a point that does not exist, or a count that is no number above 0."""
    wanted = environment.get(VARIABLE, "")
    if not wanted:
        return
    point, _, rest = wanted.partition(":")
    count, _, marker = rest.partition(":")
    if point not in POINTS:
        raise ValueError(f"no kill point {point!r}; there are {', '.join(POINTS)}")
    times = int(count or 1)
    if times < 1:
        raise ValueError(f"{VARIABLE}: {times} is no count of times to reach {point}")
    _armed[point] = times
    _marker[point] = marker


def reached(point: str) -> None:
    """Die here if the variable says so."""
    left = _armed.get(point)
    if left is None:
        return
    if left <= 1:
        if _marker[point]:
            # The kernel has the bytes when write returns: they outlive the process, if not a power cut.
            descriptor = os.open(_marker[point], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            os.write(descriptor, f"{point}\n".encode())
        os.kill(os.getpid(), signal.SIGKILL)
    _armed[point] = left - 1
