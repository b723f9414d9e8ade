"""The order of a flush, and what faults do to it: a scripted ledger and sender stand for the servers."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest
from faust.types import TP

from schemas.usage import decode_usage
from streams import topics
from streams.app import WorkerPositions
from streams.errors import LedgerError, SpendstreamError, Unavailable
from streams.ledger.store import LedgerStore
from streams.meter.agent import Meter, MeterOptions
from streams.meter.price import Pricer
from streams.meter.route import MOVED_HEADER, Router
from streams.meter.rows import CALL, DUPLICATE, MOVED, REJECT
from streams.meter.sums import CellKey
from streams.meter.tiers import load_tiers
from streams.metrics import Metrics
from streams.transport import Consumer, RecordBatch
from streams.usage.agent import UsageAgent
from streams.usage.room import UsageRoom
from tests.fakes import BASE_MS, FakeConsumer, FakeLedger, FakeSender, Journal, batch, batch_of, call, record, value

PRICER = Pricer.default()


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.retry._FIRST_S", 0.001)
    monkeypatch.setattr("streams.retry._MOST_S", 0.002)


def tps(*partitions: int) -> set[TP]:
    return {TP(topics.CALLS, partition) for partition in partitions}


@dataclass
class Room:
    """A meter among fakes."""

    partitions: int = 1
    flush_calls: int = 1000
    flush_seconds: float = 60.0
    window_calls: int = 100_000
    usage_cells: int = 100_000
    revoke_seconds: float = 5.0
    journal: Journal = field(default_factory=Journal)
    fatal: list[BaseException] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.ledger = FakeLedger(self.journal)
        self.sender = FakeSender(self.journal)
        self.consumer = FakeConsumer(self.journal, self.partitions)
        self.metrics = Metrics()
        options = MeterOptions(
            "w", self.flush_calls, self.flush_seconds, self.window_calls, self.usage_cells, self.revoke_seconds
        )
        self.meter = Meter(
            cast(LedgerStore, self.ledger),
            PRICER,
            load_tiers(),
            self.sender,
            self.metrics,
            options,
            on_fatal=self.fatal.append,
            now_ms=lambda: BASE_MS,
        )

    async def assign(self, *partitions: int, committed: int | None = None) -> dict[TP, int]:
        starts = await self.meter.on_assigned(dict.fromkeys(tps(*partitions), committed), cast(Consumer, self.consumer))
        self.journal.append(("assigned",))
        return dict(starts)

    async def take(self, *batches: RecordBatch) -> None:
        """Hand batches to the agent and wait until it has taken them all."""

        async def events() -> AsyncIterator[Any]:
            for one in batches:
                message = SimpleNamespace(topic=one.topic, partition=one.partition, offset=one.records[-1].offset)
                yield SimpleNamespace(message=message, value=one)

        await self.meter.run(events())

    def since_assigned(self) -> list[str]:
        return self.journal.whats()[self.journal.index(("assigned",)) + 1 :]

    def usage(self) -> dict[tuple[int, str, int], int]:
        """Calls by (source partition, agent, second) as the last record of each says."""
        found: dict[tuple[int, str, int], int] = {}
        for raw in self.sender.values(topics.USAGE):
            said = decode_usage(raw)
            for at, agent in enumerate(said.agent):
                found[said.source_partition, said.agents[agent], said.second[at]] = said.calls[at]
        return found


def run(main: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(20):
            await main()

    asyncio.run(bounded())


# -- the order -------------------------------------------------------------------------------------------------------


def test_insert_then_publish_then_settle() -> None:
    room = Room()

    async def main() -> None:
        await room.assign(0)
        await room.take(batch_of(call("a"), call("b")), batch_of(call("a"), offset=2))
        assert room.since_assigned() == [], "nothing is written before it is time"
        await room.meter.flush()

    run(main)
    assert room.since_assigned() == ["insert", "send", "settle", "settle"]
    assert room.ledger.outcomes() == {CALL: 2, DUPLICATE: 1}
    assert room.usage() == {(0, "agent", BASE_MS // 1000): 2}
    assert [message.offset for message in room.consumer.settled] == [1, 2]
    assert room.fatal == []


def test_a_flush_of_nothing_new_says_no_usage_but_settles() -> None:
    room = Room()

    async def main() -> None:
        await room.assign(0)
        await room.take(batch([record(b"{", 0), record(None, 1)], 0))
        await room.meter.flush()

    run(main)
    assert room.since_assigned() == ["insert", "settle"]
    assert room.ledger.outcomes() == {REJECT: 2}


def test_calls_of_other_partitions_are_sent_on_before_the_insert() -> None:
    room = Room(partitions=2)
    there = next(name for name in map(str, range(99)) if Router(2).partition(name) == 1)
    here = next(name for name in map(str, range(99)) if Router(2).partition(name) == 0)
    moved = call("m", agent_id="x", run_id=there, tags={"k": "v"}, reported_cost="0.5", time="2026-03-02T00:00:00.25Z")

    async def main() -> None:
        await room.assign(0)
        await room.take(batch([record(value(call("a", agent_id=here), moved), 0)], 0))
        await room.meter.flush()

    run(main)
    assert room.since_assigned() == ["send", "insert", "send", "settle"]
    sent = room.sender.sent[0]
    assert (sent.topic, sent.partition, sent.key) == (topics.CALLS, 1, there.encode())
    assert sent.headers == ((MOVED_HEADER, b"2"),)
    assert msgspec.json.decode(sent.value) == moved | {"time": BASE_MS + 250, "status": "ok"}
    assert room.ledger.outcomes() == {CALL: 1, MOVED: 1}
    assert room.usage() == {(0, here, BASE_MS // 1000): 1}


def test_flush_by_size() -> None:
    room = Room(flush_calls=3)

    async def main() -> None:
        await room.assign(0)
        await room.take(*[batch_of(call(str(n)), offset=n) for n in range(7)])
        await asyncio.sleep(0.05)
        assert [entry[2] for entry in room.journal.of("insert")] == [3, 3]
        await room.meter.flush()

    run(main)
    assert [entry[2] for entry in room.journal.of("insert")] == [3, 3, 1]
    assert [message.offset for message in room.consumer.settled] == list(range(7))


def test_flush_by_timer_while_no_more_comes() -> None:
    room = Room(flush_seconds=0.05)

    async def main() -> None:
        await room.assign(0)
        settled, over = asyncio.Event(), asyncio.Event()
        settle = room.consumer.settle

        def noted(message: Any) -> None:
            settle(message)
            settled.set()

        room.consumer.settle = noted  # type: ignore[method-assign]

        async def events() -> AsyncIterator[Any]:
            one = batch_of(call("a"))
            yield SimpleNamespace(message=SimpleNamespace(partition=0, offset=0), value=one)
            await over.wait()

        agent = asyncio.create_task(room.meter.run(events()))
        await settled.wait()
        over.set()
        await agent

    run(main)
    assert room.ledger.outcomes() == {CALL: 1}


def test_one_flush_is_written_while_the_next_one_fills_and_no_more() -> None:
    """Memory is bounded: with a slow ledger the agent stops taking."""
    room = Room(flush_calls=2)
    gate = asyncio.Event()
    taken: list[int] = []

    async def main() -> None:
        await room.assign(0)
        loop = asyncio.get_running_loop()
        write = room.ledger.write

        def slow(*args: Any) -> None:
            asyncio.run_coroutine_threadsafe(gate.wait(), loop).result()
            write(*args)

        room.ledger.write = slow  # type: ignore[method-assign,assignment]

        async def events() -> AsyncIterator[Any]:
            for n in range(20):
                taken.append(n)
                yield SimpleNamespace(
                    message=SimpleNamespace(partition=0, offset=n), value=batch_of(call(str(n)), offset=n)
                )

        agent = asyncio.create_task(room.meter.run(events()))
        await asyncio.sleep(0.1)
        assert len(taken) <= 4
        gate.set()
        await agent
        await room.meter.flush()

    run(main)
    assert room.ledger.outcomes() == {CALL: 20}
    assert [message.offset for message in room.consumer.settled] == list(range(20))


# -- faults ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("answer_lost", [False, True])
def test_an_insert_that_does_not_go_through_is_repeated_with_its_token(answer_lost: bool) -> None:
    room = Room()
    script = room.ledger.answer_lost if answer_lost else room.ledger.script
    seen: list[dict[str, str]] = []

    async def main() -> None:
        await room.assign(0)
        script.faults = [Unavailable("away"), Unavailable("away"), None]
        await room.take(batch_of(call("a"), call("b")))
        trouble = room.metrics.trouble

        def noted(step: str, why: str | None) -> None:
            trouble(step, why)
            seen.append(dict(room.metrics.troubles))

        room.metrics.trouble = noted  # type: ignore[method-assign]
        await room.meter.flush()

    run(main)
    inserts = room.journal.of("insert")
    assert len(inserts) == 3
    assert len({token for _, token, _ in inserts}) == 1
    assert room.since_assigned() == ["insert", "insert", "insert", "send", "settle"]
    assert room.ledger.outcomes() == {CALL: 2}
    assert {"insert": "away"} in seen
    assert room.metrics.troubles == {}


def test_each_flush_has_a_token_of_its_own() -> None:
    room = Room()

    async def main() -> None:
        await room.assign(0)
        for n in range(4):
            await room.take(batch_of(call("same"), offset=n))
            await room.meter.flush()
        await room.assign(0)
        await room.take(batch_of(call("same"), offset=0))
        await room.meter.flush()

    run(main)
    tokens = [token for _, token, _ in room.journal.of("insert")]
    assert len(set(tokens)) == 5, "the same offsets under another epoch are other rows"


def test_a_partition_that_is_gone_keeps_no_other_waiting() -> None:
    """A static member comes back to what it had, also of a topic that was made again with fewer partitions; where the
    log of one that is gone ends, brokers never say.
    """
    room = Room(partitions=2)
    asked: list[set[TP]] = []
    bounds = room.consumer.log_bounds

    async def log_bounds(partitions: set[TP]) -> dict[TP, tuple[int, int]]:
        asked.append(partitions)
        return await bounds(partitions)

    cast(Any, room.consumer).log_bounds = log_bounds

    async def main() -> None:
        assert set(await room.assign(0, 1, 2, 3)) == tps(0, 1)
        await room.take(batch_of(call("a")))
        await room.meter.flush()

    run(main)
    assert asked == [tps(0, 1)]
    assert room.ledger.outcomes() == {CALL: 1}


def test_a_log_that_goes_back_ends_the_worker_before_anything_is_mixed() -> None:
    """The topic was made again under a running worker: Kafka's client begins at its first record, without a word."""
    room = Room()

    async def main() -> None:
        await room.assign(0)
        await room.take(batch_of(call("a"), call("b"), offset=0, expected=0))
        await room.meter.flush()
        with pytest.raises(SpendstreamError, match="went back from offset 2 to 0"):
            await room.take(batch_of(call("c"), offset=0, expected=2))
        await room.meter.flush()

    run(main)
    assert room.ledger.outcomes() == {CALL: 2}


def test_a_token_is_short_however_many_batches_a_flush_has() -> None:
    """It travels in a URL, and servers refuse long ones: after an outage a flush may be of a thousand small batches."""
    room = Room(flush_calls=3000)

    async def main() -> None:
        await room.assign(0)
        for n in range(1000):
            await room.take(batch_of(call(str(n)), offset=n))
        await room.meter.flush()

    run(main)
    assert max(len(token) for _, token, _ in room.journal.of("insert")) <= 64


def test_usage_that_is_not_taken_is_said_again_before_anything_is_settled() -> None:
    room = Room()

    async def main() -> None:
        await room.assign(0)
        room.sender.script.faults = [Unavailable("broker away"), None]
        await room.take(batch_of(call("a")))
        await room.meter.flush()

    run(main)
    assert room.since_assigned() == ["insert", "send", "send", "settle"]


@pytest.mark.parametrize("where", ["insert", "send", "look up"])
def test_any_other_fault_stops_the_worker_and_settles_nothing(where: str) -> None:
    room = Room()

    async def main() -> None:
        await room.assign(0)
        fault = LedgerError("contradiction")
        {"insert": room.ledger.script, "send": room.sender.script, "look up": room.ledger.look_up}[where].faults = [
            fault
        ]
        if where == "look up":
            room.meter.owned[0].window.forget_below(BASE_MS // 60_000 + 1)
            with pytest.raises(LedgerError):
                await room.take(batch_of(call("a")))
        else:
            await room.take(batch_of(call("a")))
            await room.meter.flush()
        await room.take(batch_of(call("b"), offset=1))
        await room.meter.flush()

    run(main)
    assert [str(fault) for fault in room.fatal] == ["contradiction"]
    assert room.consumer.settled == []
    assert len(room.journal.of("insert")) == (0 if where == "look up" else 1), "after a fault nothing more is written"


def test_a_fault_in_the_steps_stops_the_worker_even_if_faust_swallows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    room = Room()

    async def main() -> None:
        await room.assign(0)
        monkeypatch.setattr(room.meter.owned[0], "decode", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            await room.take(batch_of(call("a")))

    run(main)
    assert [type(fault) for fault in room.fatal] == [ZeroDivisionError]


# -- partitions that come and go -------------------------------------------------------------------------------------


def test_a_lost_partition_drops_only_its_own_rows() -> None:
    room = Room(partitions=2)
    names = {p: next(name for name in map(str, range(99)) if Router(2).partition(name) == p) for p in (0, 1)}

    async def main() -> None:
        await room.assign(0, 1)
        await room.take(
            batch_of(call("a", agent_id=names[0])),
            batch_of(call("b", agent_id=names[1]), partition=1),
            batch_of(call("c", agent_id=names[0]), offset=1),
        )
        room.ledger.fence(1, "another worker")
        await room.meter.flush()
        assert room.meter.owned.keys() == {0}
        await room.take(batch_of(call("d", agent_id=names[1]), partition=1, offset=1))
        await room.meter.flush()

    run(main)
    assert sorted(row["id"] for row in room.ledger.rows) == ["a", "c"]
    assert {message.partition for message in room.consumer.settled} == {0}
    assert room.usage() == {(0, names[0], BASE_MS // 1000): 2}
    assert room.fatal == []


def test_revoke_flushes_settles_and_lets_go() -> None:
    room = Room(partitions=2)
    name = next(name for name in map(str, range(99)) if Router(2).partition(name) == 1)

    async def main() -> None:
        await room.assign(0, 1)
        await room.take(batch_of(call("a", agent_id=name), partition=1))
        await room.meter.before_revoke({TP(topics.USAGE, 1)})
        assert room.consumer.settled == [], "another topic's partition is none of the meter's"
        await room.meter.before_revoke(tps(1))
        assert [message.offset for message in room.consumer.settled] == [0]
        assert room.meter.owned.keys() == {0}
        await room.take(batch_of(call("b", agent_id=name), partition=1, offset=1))
        await room.meter.flush()

    run(main)
    assert [row["id"] for row in room.ledger.rows] == ["a"]


def test_what_is_written_but_not_said_when_a_partition_goes_is_not_acknowledged() -> None:
    """Else its offset is committed on the way out, and the next owner, who says what was not, does not say it."""
    room = Room(revoke_seconds=0.05)
    write, answered = room.ledger.write, threading.Event()

    def slow(columns: Any, data: Any, token: str) -> None:
        write(columns, data, token)
        answered.wait(5)

    async def main() -> None:
        await room.assign(0)
        room.ledger.write = slow  # type: ignore[method-assign]
        await room.take(batch_of(call("a")))
        await room.meter.before_revoke(tps(0))
        answered.set()
        await room.meter.flush()

    run(main)
    assert room.ledger.outcomes() == {CALL: 1}
    assert room.usage() == {}
    assert room.consumer.settled == []


def test_a_revoke_does_not_wait_for_ever_and_what_it_gave_up_is_written_once() -> None:
    """The next owner reads the records again, and the late insert of the old epoch writes nothing."""
    room = Room(revoke_seconds=0.05)

    async def main() -> None:
        await room.assign(0)
        room.ledger.script.faults = [Unavailable("away")] * 100
        await room.take(batch_of(call("a")))
        await room.meter.before_revoke(tps(0))
        assert room.consumer.settled == []
        assert room.meter.owned == {}
        await room.assign(0)
        await room.take(batch_of(call("a")))
        room.ledger.script.faults = []
        await room.meter.flush()

    run(main)
    assert room.ledger.outcomes() == {CALL: 1}
    assert len({token for _, token, _ in room.journal.of("insert")}) == 2
    assert len(room.consumer.settled) == 1
    assert room.usage() == {(0, "agent", BASE_MS // 1000): 1}


def test_batches_that_arrive_during_the_revoke_are_not_lost() -> None:
    """Taken after the flush began, not acknowledged, so whoever owns the partition next reads them."""
    room = Room()

    async def main() -> None:
        await room.assign(0)
        await room.take(batch_of(call("a")))
        revoke = asyncio.create_task(room.meter.before_revoke(tps(0)))
        await asyncio.sleep(0)
        await room.take(batch_of(call("b"), offset=1))
        await revoke
        await room.meter.flush()
        await room.assign(0)

    run(main)
    written, settled = [row["id"] for row in room.ledger.rows], [message.offset for message in room.consumer.settled]
    assert "a" in written
    assert len(written) > max(settled), "settled is only what is written"


def test_assignment_forgets_what_was_filling() -> None:
    room = Room()

    async def main() -> None:
        await room.assign(0)
        await room.take(batch_of(call("a")))
        await room.assign(0)
        await room.meter.flush()
        assert room.ledger.rows == []
        await room.take(batch_of(call("a")))
        await room.meter.flush()

    run(main)
    assert room.ledger.outcomes() == {CALL: 1}


def test_cells_whose_usage_may_be_lost_are_said_again_at_assignment() -> None:
    room = Room()
    room.ledger.cells = [CellKey("agent", "mid", 5)]

    async def main() -> None:
        await room.assign(0, committed=3)

    run(main)
    # The ledger holds nothing here, so there is no position and nothing to repeat.
    assert room.sender.sent == []


def test_a_ledger_that_is_away_at_assignment_is_waited_for() -> None:
    room = Room()
    usage = UsageAgent(cast(LedgerStore, room.ledger), {"1s": 60, "1m": 60, "1h": 60})
    positions = WorkerPositions()
    positions.rooms = [UsageRoom(usage, room.meter.retried), room.meter]
    room.ledger.newest_script.faults = [Unavailable("away"), Unavailable("away")]
    fence = room.ledger.fence
    faults = [Unavailable("away")]

    def fence_later(partition: int, worker: str) -> int:
        if faults:
            raise faults.pop()
        return fence(partition, worker)

    room.ledger.fence = fence_later  # type: ignore[method-assign]

    async def main() -> None:
        starts = await positions.on_assigned(
            dict.fromkeys([*tps(0), TP(topics.USAGE, 0)], None), cast(Consumer, room.consumer)
        )
        assert dict(starts) == {TP(topics.CALLS, 0): 0}

    run(main)
    assert positions.assigned.is_set()
    assert room.metrics.troubles == {}


# -- duplicates across window, flight and ledger ---------------------------------------------------------------------


def test_a_copy_of_a_cold_call_in_flight_is_found() -> None:
    """Neither window nor ledger knows the first one yet: it has to be written before the copy is judged."""
    room = Room()

    async def main() -> None:
        await room.assign(0)
        room.meter.owned[0].window.forget_below(BASE_MS // 60_000 + 1)
        await room.take(
            batch_of(call("old")), batch_of(call("old"), offset=1), batch_of(call("old"), call("other"), offset=2)
        )
        await room.meter.flush()

    run(main)
    assert room.ledger.outcomes() == {CALL: 2, DUPLICATE: 2}
    assert len(room.journal.of("present")) == 3


def test_a_tiny_window_and_few_cells_change_no_figure() -> None:
    """Everything is evicted all the time; the ledger fills in."""
    room = Room(window_calls=3, usage_cells=2, flush_calls=4)
    calls = [call(str(n % 40), time=BASE_MS + (n % 40) * 61_000, agent_id="ab"[n % 2]) for n in range(120)]

    async def main() -> None:
        await room.assign(0)
        totals: dict[CellKey, int] = {}

        def cell_totals(partition: int, keys: list[CellKey]) -> Any:
            import numpy as np

            held = [
                (row["agent_id"], row["tier"], int(row["time"].timestamp()))
                for row in room.ledger.rows
                if row["outcome"] == CALL
            ]
            table = np.zeros((len(keys), 10), dtype=np.int64)
            for at, key in enumerate(keys):
                table[at, 0] = totals[key] = held.count((key.agent_id, key.tier, key.second))
            return table

        room.ledger.cell_totals = cell_totals  # type: ignore[method-assign,assignment]
        await room.take(*[batch_of(*calls[at : at + 3], offset=at) for at in range(0, 120, 3)])
        await room.meter.flush()

    run(main)
    assert room.ledger.outcomes() == {CALL: 40, DUPLICATE: 80}
    assert room.usage() == {(0, "ab"[n % 2], BASE_MS // 1000 + n * 61): 1 for n in range(40)}


def test_what_is_settled_is_always_written() -> None:
    room = Room(flush_calls=2)

    async def main() -> None:
        await room.assign(0)
        room.ledger.script.faults = [None, Unavailable("x"), None, Unavailable("y"), None, None]
        room.sender.script.faults = [Unavailable("z"), None, None]
        await room.take(*[batch_of(call(str(n)), offset=n) for n in range(9)])
        await room.meter.flush()

    run(main)
    written: set[int] = set()
    for entry in room.journal:
        if entry[0] == "settle":
            assert entry[2] < len(room.ledger.rows)
            written.add(entry[2])
    assert written == set(range(9))
    assert [row["offset"] for row in room.ledger.rows] == list(range(9))
