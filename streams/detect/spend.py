"""Spend spike: a root agent spends in ten minutes or an hour what it never did.

Needs prices (unpriced calls are left out, and said so by the ledger) and a day of the agent's own history; quiet
without.
"""

from __future__ import annotations

import math

from streams.counted import counted
from streams.detect.call import Seen
from streams.detect.config import HOUR_MS, MINUTE_MS, SPEND_STIR, SPEND_Z, DetectConfig
from streams.detect.habit import SPEND10, SPEND60, SPEND360, Root, Run
from streams.detect.signal import dollars

_SIX_HOURS = 360.0 * MINUTE_MS


def level(root: Root, run: Run, call: Seen, cost: int, config: DetectConfig) -> float:
    """Step the decayed spend of `root` by one priced call."""
    gap = call.time - root.spend_ms
    if gap > 0:
        slow = math.exp(-gap / _SIX_HOURS)
        root.spend360 *= slow
        slow = slow * slow * slow
        slow *= slow
        root.spend60 *= slow
        slow = slow * slow * slow
        root.spend10 *= slow * slow
        root.spend_ms = call.time
    root.spend10 = ten = root.spend10 + cost
    root.spend60 = sixty = root.spend60 + cost
    root.spend360 = long = root.spend360 + cost
    peak = root.peak
    if long > peak[SPEND360]:
        peak[SPEND360] = long
    if ten > peak[SPEND10]:
        peak[SPEND10] = ten
    if sixty > peak[SPEND60]:
        peak[SPEND60] = sixty
    record = root.record
    if ten <= SPEND_STIR * record[SPEND10]:
        if root.spend_first is not None:
            root.spend_first = None
        return 0.0
    if root.spend_first is None:
        root.spend_first = (call.id, call.time, root.calls - 1, root.cost - cost)
    if sixty < config.spend_min or root.blocks < config.spend_blocks or call.time - root.first_ms < config.spend_age_ms:
        return 0.0
    over = max(
        sixty / (config.spend_factor * max(record[SPEND60], 1.0)),
        min(
            sixty / (config.spend_both_factor * max(record[SPEND60], 1.0)),
            long / (config.spend_long_factor * max(record[SPEND360], 1.0)),
        ),
    )
    # short histories have small records
    over *= root.blocks / (root.blocks + config.spend_doubt)
    if over >= 1.0 and run.run_id is not None and run.cost > config.spend_one_run * sixty:
        return 0.9  # one dear run is a stuck run, not a spike
    base = root.base
    if over >= 1.0 and base is not None and base[SPEND60].z(math.log2(1.0 + sixty), config) < SPEND_Z:
        return 0.9  # its hours differ as much
    return over


def describe(root: Root, call: Seen, config: DetectConfig) -> str:
    """The evidence in words and figures."""
    hours = max(1, (call.time - root.first_ms) // HOUR_MS)
    hour, ten = dollars(int(root.record[SPEND60])), dollars(int(root.record[SPEND10]))
    return (
        f"spent about {dollars(int(root.spend60))} in an hour and {dollars(int(root.spend10))} in ten minutes; "
        f"its records of {counted(hours, 'hour')} are {hour} and {ten}"
    )
