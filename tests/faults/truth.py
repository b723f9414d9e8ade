"""What should be there, from what was sent; what is there, read from outside; and the difference.

The log is the authority for what was sent: each distinct call in it must be one row of the ledger with its tokens and
its price, each bad part a reject with its reason, each copy a duplicate; and the sums that the usage topic gives must
be the sums of those calls, in every second of every agent.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from streams import topics
from streams.ledger.client import Database
from streams.meter.route import MOVED_HEADER
from tests.crash.evidence import Expected, expected_calls, first_differences
from tests.crash.outside import read_log, read_usage
from tests.crash.traffic import Traffic
from tests.crash.worker_process import ROOT, SPENDSTREAM, clean_environment

_FIELDS = ("agent_id", "provider_name", "request_model", "input_tokens", "output_tokens")
_COUNTS = ("cache_read_input_tokens", "cache_write_input_tokens", "reasoning_output_tokens")


@dataclass(slots=True)
class Verdict:
    """`sent`: distinct calls; `rows`: ledger rows by outcome. All is well when `ok`."""

    sent: int
    lost: int
    doubled: int
    rows: dict[str, int]
    faults: list[str] = field(default_factory=list)
    """Whatever else is wrong, in words."""

    @property
    def ok(self) -> bool:
        """Nothing lost, nothing doubled, nothing else wrong."""
        return not (self.lost or self.doubled or self.faults)


async def judge(
    bootstrap: str,
    ledger_url: str,
    traffic: Traffic,
    partitions: int,
    usage_partitions: int,
    *,
    whole_log: bool = True,
    excused: range = range(0),
) -> Verdict:
    """Compare everything.

    `whole_log`: whether the calls topic still holds all that was ever in it. `excused`: numbers of calls that may be
    missing, since Kafka dropped them unread; what is missing of them then is left out of all sums.
    """
    database = await asyncio.to_thread(Database, ledger_url)
    try:
        verdict, calls, present = await asyncio.to_thread(_ledger, database, traffic, excused)
    finally:
        database.close()
    if whole_log:
        verdict.faults += await _log(bootstrap, traffic, partitions, verdict)
    verdict.faults += await _usage(bootstrap, traffic, usage_partitions, calls, present)
    verdict.faults += await asyncio.to_thread(_audit, ledger_url)
    return verdict


def _ledger(
    database: Database, traffic: Traffic, excused: range
) -> tuple[Verdict, list[Expected], set[tuple[str, str]]]:
    known = expected_calls(traffic)
    expected = {
        _name(call): (
            call["time_ms"], of.tier, call.get("run_id") or "", call.get("status", "ok"),
            None if of.cost_pico is None else Decimal(of.cost_pico).scaleb(-12),
            *(call[name] for name in _FIELDS), *(call.get(name, 0) for name in _COUNTS),
        )
        for call, of in zip(traffic.calls, known, strict=True)
    }  # fmt: skip
    names = ("source", "id", "time_ms", "tier", "run_id", "status", "cost_usd", *_FIELDS, *_COUNTS)
    table = database.arrow(
        "SELECT source, id, toUnixTimestamp64Milli(time) AS time_ms, tier, run_id, status, cost_usd, "
        f"{', '.join((*_FIELDS, *_COUNTS))} FROM intake WHERE outcome = 'call'"
    )
    found: dict[tuple[str, str], tuple[Any, ...]] = {}
    doubled = 0
    for source, id_, *values in zip(*(table[name].to_pylist() for name in names), strict=True):
        doubled += (source, id_) in found
        found[source, id_] = tuple(values)
    rows = {str(outcome): int(n) for outcome, n in database.rows("SELECT outcome, count() FROM intake GROUP BY 1")}
    for number in excused:
        name = _name(traffic.calls[number])
        if name not in found:
            del expected[name]
    verdict = Verdict(len(expected), len(expected.keys() - found.keys()), doubled, rows)
    if not verdict.lost:
        wrong = first_differences(expected, found)
        verdict.faults += [f"calls: {wrong}"] if wrong else []
    [[calls, tokens]] = database.rows("SELECT sum(calls), sum(input_tokens) FROM spend_by_hour")
    sums = (len(found), sum(values[8] for values in found.values()))
    if (calls, tokens) != sums:
        verdict.faults.append(f"spend_by_hour says {(calls, tokens)}, the calls are {sums}")
    return verdict, known, set(found)


async def _log(bootstrap: str, traffic: Traffic, partitions: int, verdict: Verdict) -> list[str]:
    parts: Counter[str] = Counter()
    seen: set[int] = set()
    moved = 0
    async for record in read_log(bootstrap, topics.CALLS, partitions):
        again = any(name == MOVED_HEADER for name, _ in record.headers)
        for part in traffic.parts_of(record.value):
            parts["reject" if isinstance(part, str) else "call"] += 1
            moved += again
            if isinstance(part, int):
                seen.add(part)
    faults = []
    if len(seen) != len(traffic.calls):
        faults.append(f"the log holds {len(seen)} of {len(traffic.calls)} acknowledged calls: Kafka lost some")
    rows = verdict.rows
    if rows.get("reject", 0) != parts["reject"]:
        faults.append(f"{rows.get('reject', 0)} rejects for {parts['reject']} bad parts in the log")
    received = sum(rows.get(name, 0) for name in ("call", "duplicate", "moved"))
    if received != parts["call"]:
        faults.append(f"{received} rows of calls for {parts['call']} calls in the log")
    # Each misplaced call is sent on once, and once more for each crash between sending and insert.
    if moved < rows.get("moved", 0):
        faults.append(f"{rows.get('moved', 0)} calls were moved, {moved} arrived")
    return faults


async def _usage(
    bootstrap: str, traffic: Traffic, partitions: int, calls: list[Expected], present: set[tuple[str, str]]
) -> list[str]:
    expected: dict[tuple[str, str, int], tuple[int, int]] = {}
    for call, of in zip(traffic.calls, calls, strict=True):
        if _name(call) not in present:
            continue
        cell = (call["agent_id"], of.tier, of.second)
        count, cost = expected.get(cell, (0, 0))
        expected[cell] = count + 1, cost + (of.cost_pico or 0)
    found: dict[tuple[str, str, int], tuple[int, int]] = {}
    cells, _ = await read_usage(bootstrap, partitions)
    for at, totals in cells.items():
        count, cost = found.get((at.agent_id, at.tier, at.second), (0, 0))
        found[at.agent_id, at.tier, at.second] = count + totals[0], cost + totals[8]
    wrong = first_differences(expected, found)
    return [f"usage: {wrong}"] if wrong else []


def _name(call: dict[str, Any]) -> tuple[str, str]:
    return call.get("source") or "", call["id"]


def _audit(ledger_url: str) -> list[str]:
    done = subprocess.run(
        [*SPENDSTREAM, "audit", "--json"], cwd=ROOT, env=clean_environment(clickhouse_url=ledger_url),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if not done.stdout:
        return [f"audit: {done.stderr[-1000:]}"]
    report = json.loads(done.stdout)
    return [f"audit ({len(report['findings'])} findings): {finding}" for finding in report["findings"][:3]]
