"""Named points at which the crash tests stop the process dead, so that each is known to have been hit.

`SPENDSTREAM_KILL_POINT=insert.after:3` kills the process (SIGKILL, nothing is cleaned up) the third time it gets
there. Without the variable a point costs a dictionary look-up, a few times a flush.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping

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


def arm(environment: Mapping[str, str]) -> None:
    """Read the variable. Raises ValueError for a point that does not exist."""
    wanted = environment.get("SPENDSTREAM_KILL_POINT", "")
    if wanted:
        point, _, count = wanted.partition(":")
        if point not in POINTS:
            raise ValueError(f"no kill point {point!r}; there are {', '.join(POINTS)}")
        _armed[point] = int(count or 1)


def reached(point: str) -> None:
    """Die here if the variable says so."""
    left = _armed.get(point)
    if left is None:
        return
    if left <= 1:
        os.kill(os.getpid(), signal.SIGKILL)
    _armed[point] = left - 1
