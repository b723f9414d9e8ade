"""When a channel that did not take a notice is asked again. Pure and deterministic."""

from __future__ import annotations

import hashlib
from typing import Final

FIRST_MS: Final = 2_000
MOST_MS: Final = 300_000
"""Five minutes: a page that waits longer after a channel is back would be of little use."""


def wait_ms(attempt: int, key: str, retry_after_s: float | None = None) -> int:
    """Milliseconds from the end of failed attempt 1, 2, ... to the next.

    2 s, 4 s, ... up to 5 min, less up to a quarter that `key` decides, so that many notices do not come back at
    once; never less than the receiver asked for (`Retry-After`, at most an hour of it).
    """
    if attempt < 1:
        raise ValueError("attempts count from 1")
    whole = min(MOST_MS, FIRST_MS << min(attempt - 1, 20))
    share = int.from_bytes(hashlib.blake2b(f"{key}\0{attempt}".encode(), digest_size=4).digest(), "big") / 2**32
    wait = whole - int(whole * share / 4)
    if retry_after_s is not None and retry_after_s > 0:
        wait = max(wait, int(min(retry_after_s, 3600) * 1000))
    return wait
