"""`spendstream` with a clock that tests turn: `python -m tests.faults.clock FILE ARGUMENTS...`.

FILE holds by how many seconds `time.time` and `time.time_ns` are off, looked up every tenth of a second. The monotonic
clock stays right, as it does when a machine's clock is set.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable


def turn(file: str) -> None:
    """Replace this process's wall clock."""
    real_ns: Callable[[], int] = time.time_ns
    monotonic = time.monotonic
    offset_s, looked_at = 0, -1.0

    def off() -> int:
        nonlocal offset_s, looked_at
        if monotonic() - looked_at > 0.1:
            looked_at = monotonic()
            try:
                with open(file, encoding="ascii") as text:
                    offset_s = int(text.read() or 0)
            except (OSError, ValueError):
                pass
        return offset_s

    def time_ns() -> int:
        return real_ns() + off() * 1_000_000_000

    time.time_ns = time_ns
    time.time = lambda: time_ns() / 1e9


if __name__ == "__main__":
    turn(sys.argv.pop(1))
    from streams.cli.main import main

    main()
