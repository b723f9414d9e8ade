"""A cell that leaves memory between two batches of one flush: the last word on it is the ledger's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any, cast

from faust.types import TP

from schemas.usage import decode_usage
from streams import topics
from streams.ledger.store import LedgerStore
from streams.meter.agent import Meter, MeterOptions
from streams.meter.price import Pricer
from streams.meter.tiers import load_tiers
from streams.metrics import Metrics
from streams.transport import Consumer
from tests.fakes import BASE_MS, FakeConsumer, FakeLedger, FakeSender, Journal, batch_of, call


async def _one_flush_of_two_batches() -> FakeSender:
    journal = Journal()
    sender = FakeSender(journal)
    faults: list[BaseException] = []
    meter = Meter(
        cast(LedgerStore, FakeLedger(journal)),
        Pricer.default(),
        load_tiers(),
        sender,
        Metrics(),
        MeterOptions("worker", 1000, 60.0, window_calls=100, usage_cells=1, revoke_seconds=5.0),
        on_fatal=faults.append,
    )
    await meter.on_assigned({TP(topics.CALLS, 0): None}, cast(Consumer, FakeConsumer(journal)))
    # Of two seconds far apart memory holds one: the older leaves, and is touched again.
    first = batch_of(call("a", time=BASE_MS), call("b", time=BASE_MS + 3_600_000))
    again = batch_of(call("c", time=BASE_MS), offset=2)

    async def events() -> AsyncIterator[Any]:
        for batch in (first, again):
            yield SimpleNamespace(message=SimpleNamespace(partition=0, offset=batch.records[-1].offset), value=batch)

    await meter.run(events())
    await meter.flush()
    assert not faults
    return sender


def test_the_ledgers_total_is_published_after_memorys() -> None:
    sender = asyncio.run(_one_flush_of_two_batches())
    said = [
        (usage.through_offset, calls)
        for usage in map(decode_usage, sender.values(topics.USAGE))
        for second, calls in zip(usage.second, usage.calls, strict=True)
        if second == BASE_MS // 1000
    ]
    assert said == [(2, 1), (2, 7)]  # seven is what the fake ledger always answers
