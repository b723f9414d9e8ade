"""Retry storm: an agent that keeps sending what keeps failing, while others on its provider do not fail.

Needs `status`; uses `attempt` and `request_fingerprint` where given. A CUSUM of log likelihood ratios in bits: storm
rate against the worse of the agent's own failure rate and that of other agents on the same provider, so that an
outage is nobody's storm.
"""

from __future__ import annotations

import math

from streams.detect.call import FAILED, Seen
from streams.detect.config import MINUTE_MS, DetectConfig
from streams.detect.habit import ERROR, Root, Run

Provider = dict[str, tuple[int, float]]
"""Root key -> (time of its last call there, its recent failure rate), newest last."""

_REMEMBERED = 32
_RECENT_MS = 10 * MINUTE_MS


def note(provider: Provider, root: Root, at: int) -> None:
    """Remember how the agent fares on the provider."""
    key = root.key
    if key in provider:
        del provider[key]
    elif len(provider) >= _REMEMBERED:
        del provider[next(iter(provider))]
    provider[key] = (at, root.failing)


def others(provider: Provider, root: Root, at: int, config: DetectConfig) -> tuple[float, bool]:
    """The mean recent failure rate of other agents on the provider, and whether two of them at least are in trouble."""
    rates = [rate for key, (seen, rate) in provider.items() if key != root.key and at - seen <= _RECENT_MS]
    if not rates:
        return 0.0, False
    return sum(rates) / len(rates), sum(1 for rate in rates if rate >= config.outage_rate) >= config.outage_roots


def level(run: Run, call: Seen, cost: int, provider: Provider, config: DetectConfig) -> float:
    """Step the storm of `run` by one call of any status."""
    root = run.root
    failed = call.status in FAILED
    root.failing += 0.25 * ((1.0 if failed else 0.0) - root.failing)
    if not failed:
        run.failed_row = 0
        if run.chain_print is not None and call.request_fingerprint == run.chain_print:
            run.chain, run.chain_print = 0, None
        if run.cusum == 0.0:
            if root.errors:
                root.errors *= 0.98
            return 0.0
        base = min(max(root.errors, config.storm_floor), 0.85)
        run.cusum += math.log2((1.0 - config.storm_p1) / (1.0 - base))
        if run.cusum <= 0.0:
            run.cusum, run.storm_first = 0.0, None
        if run.cusum < config.storm_bits / 2:
            root.errors *= 0.98
        return 0.0
    run.failed_row += 1
    if call.request_fingerprint is not None and call.request_fingerprint == run.chain_print:
        run.chain += 1
    else:
        run.chain, run.chain_print = 1, call.request_fingerprint
    if call.attempt is not None and call.attempt > run.chain:
        run.chain = call.attempt
    if run.storm_first is None:
        run.storm_first = run.mark(call.id, call.time, cost)
    base = max(root.errors, config.storm_floor)
    fleet, outage = others(provider, root, call.time, config)
    if fleet > base:
        base = fleet
    run.cusum += math.log2(config.storm_p1 / min(base, config.storm_p1))
    if run.cusum < config.storm_bits / 2:
        root.errors += 0.02 * (1.0 - root.errors)
    elif outage:
        run.cusum = config.storm_bits / 2  # what others suffer too is the provider's
    if run.cusum > root.peak[ERROR]:
        root.peak[ERROR] = run.cusum
    result = run.cusum / limit(run, config)
    row = config.storm_row if call.request_fingerprint is None else 3 * config.storm_row
    if result >= 1.0 and run.chain < config.storm_chain and run.failed_row < row:
        return 0.9
    return result


def limit(run: Run, config: DetectConfig) -> float:
    """Bits allowed: the floor, or one and a half times the own record."""
    if run.root.ready(config):
        return max(config.storm_bits, 1.5 * min(run.root.record[ERROR], 4 * config.storm_bits))
    return config.storm_bits


def describe(run: Run, call: Seen, config: DetectConfig) -> str:
    """The evidence in words and figures."""
    usual, where = f"{100 * run.root.errors:.0f} %", call.provider_name or "the provider"
    before = (
        f"usually {usual} of its calls fail"
        if run.root.ready(config)
        else f"it has no history, {usual} failed calls would be normal"
    )
    same = "all" if run.chain >= run.failed_row else f"{run.chain}"
    return (
        f"{run.failed_row} failed calls in a row (last: {call.status}), {same} of them one request; "
        f"{before}; other agents on {where} have no such trouble"
    )
