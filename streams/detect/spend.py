"""Spend spike: a root agent spends in ten minutes or an hour what it never did.

Needs prices (unpriced calls are left out, and said so by the ledger) and a day of the agent's own history; quiet without.
"""

from __future__ import annotations

import math

from streams.detect.call import Seen
from streams.detect.config import HOUR_MS, MINUTE_MS, DetectConfig
from streams.detect.habit import SPEND10, SPEND60, Root
from streams.detect.signal import dollars

_TEN = 10.0 * MINUTE_MS
_SIXTY = 60.0 * MINUTE_MS


def level(root: Root, call: Seen, cost: int, config: DetectConfig) -> float:
    """Step the decayed spend of `root` by one priced call."""
    gap = call.time - root.spend_ms
    if gap > 0:
        slow = math.exp(-gap / _SIXTY)
        root.spend60 *= slow
        root.spend10 *= slow * slow * slow * slow * slow * slow
        root.spend_ms = call.time
    root.spend10 = ten = root.spend10 + cost
    root.spend60 = sixty = root.spend60 + cost
    peak = root.peak
    if ten > peak[SPEND10]:
        peak[SPEND10] = ten
    if sixty > peak[SPEND60]:
        peak[SPEND60] = sixty
    record = root.record
    if sixty <= record[SPEND60] and ten <= record[SPEND10]:
        if root.spend_first is not None:
            root.spend_first = None
        return 0.0
    if root.spend_first is None:
        root.spend_first = (call.id, call.time, root.calls - 1, root.cost - cost)
    if sixty < config.spend_min or root.blocks < config.spend_blocks or call.time - root.first_ms < config.spend_age_ms:
        return 0.0
    return max(
        ten / max(config.spend_factor * record[SPEND10], 1.0), sixty / max(config.spend_factor * record[SPEND60], 1.0)
    )


def describe(root: Root, call: Seen, config: DetectConfig) -> str:
    """The evidence in words and figures."""
    hours = max(1, (call.time - root.first_ms) // HOUR_MS)
    return (
        f"spent about {dollars(int(root.spend60))} in an hour and {dollars(int(root.spend10))} in ten minutes; "
        f"its records of {hours} hours are {dollars(int(root.record[SPEND60]))} and {dollars(int(root.record[SPEND10]))}"
    )
