"""The usage agent and its HTTP face: what it answers from memory is what the ledger says, and no record stops it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, cast

import aiohttp
import pytest
from faust.types import TP

from schemas.usage import decode_usage, encode_usage
from streams import topics
from streams.errors import LedgerError, NotPossible, Unavailable, UsageError
from streams.ledger.store import LedgerStore
from streams.meter.emit import usage_records
from streams.meter.route import Router
from streams.meter.rows import ledger_table
from streams.meter.steps import PartitionMeter, measures
from streams.metrics import Metrics
from streams.transport import Consumer, RecordBatch
from streams.usage.agent import UsageAgent, UsageQuestion
from streams.usage.http import WorkerHttp
from tests.fakes import (
    BASE_MS,
    FakeConsumer,
    Journal,
    Steps,
    batch,
    batch_of,
    call,
    partition_meter,
    record,
)

KEEP = {"1s": 900, "1m": 360, "1h": 48}
FIRST = BASE_MS // 1000


def tps(*partitions: int) -> set[TP]:
    return {TP(topics.USAGE, partition) for partition in partitions}


async def events(*batches: RecordBatch) -> AsyncIterator[Any]:
    for one in batches:
        yield SimpleNamespace(
            message=SimpleNamespace(partition=one.partition, offset=one.records[-1].offset), value=one
        )


def usage_batch(*values: bytes | None, partition: int = 0, offset: int = 0) -> RecordBatch:
    return batch(
        [record(raw, offset + at, partition=partition, topic=topics.USAGE) for at, raw in enumerate(values)], offset
    )


def agent_with(store: Any, partitions: int = 1) -> tuple[UsageAgent, FakeConsumer]:
    return UsageAgent(cast(LedgerStore, store), KEEP), FakeConsumer(Journal(), partitions)


def assigned(agent: UsageAgent, consumer: FakeConsumer, *partitions: int) -> None:
    asyncio.run(agent.on_assigned(tps(*partitions), cast(Consumer, consumer)))


@dataclass
class Flow:
    """Calls through steps, ledger, emit and usage agent: the way of the worker without Kafka."""

    store: LedgerStore
    agent: UsageAgent
    meter: PartitionMeter
    steps: Steps
    offset: int = 0

    def flush(self, *calls: dict[str, Any], lose_usage: bool = False) -> None:
        taken = batch_of(*calls, offset=self.offset)
        self.offset += len(calls)
        metered = self.steps.run(self.meter, taken)
        columns, table = ledger_table([metered], BASE_MS)
        self.store.write(columns, table, f"t{self.offset}")
        touched = self.meter.cells.add(*measures(metered))
        assert touched.cold == []
        values = [value for _, value in usage_records(self.meter, self.offset - 1, touched, self.steps.router)]
        if not lose_usage:
            asyncio.run(self.agent.run(events(usage_batch(*values))))


@pytest.fixture
def flow(store: LedgerStore) -> Flow:
    agent, consumer = agent_with(store)
    assigned(agent, consumer, 0)
    return Flow(store, agent, partition_meter(epoch=store.fence(0, "w")), Steps())


def rows(answer: dict[str, Any], source: str) -> list[dict[str, Any]]:
    assert answer["source"] == source
    return cast("list[dict[str, Any]]", answer["rows"])


def ask(flow: Flow, window: str, first: int = FIRST, end: int = FIRST + 7200, **more: Any) -> dict[str, Any]:
    return asyncio.run(flow.agent.answer(UsageQuestion(window, first, end, **more)))


def from_ledger(flow: Flow, window: str, **more: Any) -> list[dict[str, Any]]:
    """The same question to an agent that knows nothing."""
    agent, _ = agent_with(flow.store)
    return rows(asyncio.run(agent.answer(UsageQuestion(window, FIRST, FIRST + 7200, **more))), "ledger")


def calls_over_time(count: int) -> list[dict[str, Any]]:
    agents, models = ["a", "b", "it's \u2603"], ["gpt-4o", "gpt-4o-mini", "no-such-model"]
    return [
        call(str(n), agent_id=agents[n % 3], request_model=models[n % 2 + (n % 7 == 0)], time=BASE_MS + n * 1700)
        for n in range(count)
    ]


@pytest.mark.parametrize("window", ["1s", "1m", "1h"])
def test_memory_answers_what_the_ledger_would(flow: Flow, window: str) -> None:
    calls = calls_over_time(120)
    for start in range(0, 120, 30):
        flow.flush(*calls[start : start + 30], *calls[start : start + 2])
    questions: list[dict[str, Any]] = [
        {},
        {"agent_id": "it's \u2603"},
        {"tier": "mid"},
        {"tier": "unknown", "by": frozenset({"tier"})},
        {"by": frozenset({"agent_id"})},
        {"by": frozenset()},
        {"agent_id": "nobody"},
    ]
    for question in questions:
        mine = rows(ask(flow, window, **question), "memory")
        assert mine == from_ledger(flow, window, **question)
        assert (mine == []) is (question.get("agent_id") == "nobody")
    total = rows(ask(flow, "1h", by=frozenset()), "memory")
    assert sum(row["calls"] for row in total) == 120
    assert sum(row["unpriced"] for row in total) == sum(one["request_model"] == "no-such-model" for one in calls)


def test_a_late_call_is_seen_in_its_own_window(flow: Flow) -> None:
    flow.flush(call("a"), call("b", time=BASE_MS + 3_000_000))
    (before,) = rows(ask(flow, "1m", end=FIRST + 60, by=frozenset()), "memory")
    assert (before["start"], before["calls"], before["cost_usd"]) == (FIRST, 1, "0.0035")
    flow.flush(call("late", time=BASE_MS + 59_999))
    # Fifty minutes late: its second is long gone from memory, so this minute is the ledger's to tell.
    (after,) = rows(ask(flow, "1m", end=FIRST + 60, by=frozenset()), "ledger")
    assert (after["calls"], after["cost_usd"]) == (2, "0.007")
    flow.flush(call("little late", time=BASE_MS + 2_999_000))
    (recent,) = rows(ask(flow, "1m", first=FIRST + 2940, end=FIRST + 3000, by=frozenset()), "memory")
    assert recent["calls"] == 1


def test_what_was_before_the_takeover_is_answered_by_the_ledger(flow: Flow) -> None:
    flow.flush(call("a"))
    agent, consumer = agent_with(flow.store)
    assigned(agent, consumer, 0)
    flow.agent = agent
    flow.flush(call("b", time=BASE_MS + 120_000))
    assert rows(ask(flow, "1m"), "ledger") == from_ledger(flow, "1m")
    (new,) = rows(ask(flow, "1m", first=FIRST + 120), "memory")
    assert new["calls"] == 1


def test_usage_that_was_lost_is_not_vouched_for_after_the_next_takeover(flow: Flow) -> None:
    flow.flush(call("a"), lose_usage=True)
    agent, consumer = agent_with(flow.store)
    assigned(agent, consumer, 0)
    flow.agent = agent
    assert rows(ask(flow, "1m"), "ledger")[0]["calls"] == 1


def test_who_owns_not_all_partitions_asks_the_ledger_for_all_agents(store: LedgerStore) -> None:
    agent, consumer = agent_with(store, 2)
    assigned(agent, consumer, 0)
    mine = next(name for name in map(str, range(99)) if Router(2).partition(name) == 0)
    other = next(name for name in map(str, range(99)) if Router(2).partition(name) == 1)
    sources = [
        asyncio.run(agent.answer(UsageQuestion("1m", FIRST, FIRST + 60, agent_id=who)))["source"]
        for who in (None, mine, other)
    ]
    assert sources == ["ledger", "memory", "ledger"]
    agent.before_revoke(tps(0))
    assert asyncio.run(agent.answer(UsageQuestion("1m", FIRST, FIRST + 60, agent_id=mine)))["source"] == "ledger"


HUGE = decode_usage(
    b'{"v":1,"incarnation":1,"source_partition":0,"epoch":1,"through_offset":1,"watermark_ms":null,"agents":["a"],'
    b'"agent":[0],"tier":["mid"],"second":[1772409600],"calls":[1],"errors":[0],"input_tokens":[1],"output_tokens":[1],'
    b'"cache_read_input_tokens":[0],"cache_write_input_tokens":[0],"reasoning_output_tokens":[0],"unpriced":[0],'
    b'"cost_pico_usd":[5]}'
)


def changed(**fields: Any) -> bytes:
    usage = decode_usage(encode_usage(HUGE))
    for name, content in fields.items():
        setattr(usage, name, content)
    return encode_usage(usage)


@pytest.mark.parametrize(
    "bad",
    [
        None,
        b"",
        b"{",
        b"[]",
        b"\xff",
        changed(calls=[2**70]),
        changed(second=[2**50]),
        changed(cost_pico_usd=[10**40]),
        changed(tier=["gold"]),
        changed(agent=[5]),
        changed(watermark_ms=10**30),
    ],
    ids=["none", "empty", "broken", "array", "latin", "calls", "second", "cost", "tier", "agent", "watermark"],
)
def test_a_record_that_is_no_usage_is_skipped_and_the_next_one_counts(store: LedgerStore, bad: bytes | None) -> None:
    agent, consumer = agent_with(store)
    assigned(agent, consumer, 0)
    taken = usage_batch(changed(), bad, changed(through_offset=2, calls=[3], epoch=9))
    asyncio.run(agent.run(events(taken)))
    (row,) = asyncio.run(agent.answer(UsageQuestion("1m", FIRST, FIRST + 60)))["rows"]
    assert (row["calls"], row["cost_usd"]) == (3, "0.000000000005")
    assert len(consumer.settled) == 1, "the batch is done: else its offset is never committed"


def test_a_fault_of_the_agent_ends_the_worker(store: LedgerStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Faust would log it and go on with the next record: windows would miss one for ever and still vouch for it."""
    faults: list[BaseException] = []
    agent = UsageAgent(store, KEEP, on_fatal=faults.append)
    consumer = FakeConsumer(Journal())
    assigned(agent, consumer, 0)

    def broken(*_: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(agent._owned[0], "apply", broken)
    with pytest.raises(ZeroDivisionError):
        asyncio.run(agent.run(events(usage_batch(changed()))))
    assert [type(fault) for fault in faults] == [ZeroDivisionError]
    assert consumer.settled == []


# -- HTTP ------------------------------------------------------------------------------------------------------------


class Answers:
    """A usage agent that answers as told."""

    watermark_ms = 5
    error: Exception | None = None

    async def answer(self, question: UsageQuestion) -> dict[str, Any]:
        if self.error is not None:
            raise self.error
        return {"rows": [], "window": question.window}


@dataclass
class State:
    ready: bool = True
    fault: str | None = None


async def get(http: WorkerHttp, *paths: str) -> list[tuple[int, Any]]:
    host, port = await http.start("127.0.0.1", 0)
    try:
        async with aiohttp.ClientSession(f"http://{host}:{port}") as session:
            found: list[tuple[int, Any]] = []
            for path in paths:
                async with session.get(path) as response:
                    is_json = response.content_type == "application/json"
                    found.append((response.status, await response.json() if is_json else await response.text()))
            return found
    finally:
        await http.stop()


def served(state: State, metrics: Metrics, answers: Answers) -> WorkerHttp:
    return WorkerHttp(
        cast(UsageAgent, answers), metrics, is_ready=lambda: state.ready, fatal=lambda: state.fault, now_s=lambda: FIRST
    )


@pytest.mark.parametrize(
    ("ready", "trouble", "fault", "health", "status", "readiness"),
    [
        (True, None, None, 200, "ok", 200),
        (False, None, None, 200, "ok", 503),
        (True, "away", None, 200, "waiting", 503),
        (True, None, "boom", 503, "failed", 503),
        (False, "away", "boom", 503, "failed", 503),
    ],
)
def test_health_and_readiness(
    ready: bool, trouble: str | None, fault: str | None, health: int, status: str, readiness: int
) -> None:
    metrics = Metrics()
    metrics.trouble("insert", trouble)
    found = asyncio.run(get(served(State(ready, fault), metrics, Answers()), "/health", "/ready"))
    waiting = {"insert": trouble} if trouble else {}
    assert found[0] == (
        health,
        {"status": status, "waiting_for": waiting, "fault": fault, "faults": {}, "watermark_ms": 5},
    )
    assert found[1] == (readiness, {"ready": readiness == 200})


@pytest.mark.parametrize(
    ("error", "status"), [(Unavailable("away"), 503), (LedgerError("broken"), 500), (UsageError("too much"), 400)]
)
def test_faults_of_an_answer_have_their_status(error: Exception, status: int) -> None:
    answers = Answers()
    answers.error = error
    assert asyncio.run(get(served(State(), Metrics(), answers), "/v1/usage")) == [(status, {"error": str(error)})]


def test_questions_over_http() -> None:
    good, bad, nothing, metrics = asyncio.run(
        get(
            served(State(), Metrics(), Answers()),
            "/v1/usage?window=1h",
            "/v1/usage?windw=1h",
            "/v1/nothing",
            "/metrics",
        )
    )
    assert good == (200, {"rows": [], "window": "1h"})
    assert bad == (400, {"error": "there is no parameter 'windw'"})
    assert nothing[0] == 404
    assert metrics[0] == 200
    assert "spendstream_inserts_total 0.0" in metrics[1]


def test_a_taken_port_says_what_to_do() -> None:
    async def twice() -> None:
        first, second = (served(State(), Metrics(), Answers()) for _ in range(2))
        host, port = await first.start("127.0.0.1", 0)
        try:
            with pytest.raises(NotPossible, match="SPENDSTREAM_HTTP_PORT"):
                await second.start(host, port)
        finally:
            await first.stop()
            await second.stop()

    asyncio.run(twice())
