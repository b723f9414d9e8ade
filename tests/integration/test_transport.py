"""The batch transport's bookkeeping: what is committed, what is forgotten, and who may read during a takeover.

The consumer is built without Faust's start-up: delivery and acknowledgement need none of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, cast

import pytest
from faust.types import TP
from hypothesis import given, settings
from hypothesis import strategies as st

from streams import topics
from streams.errors import SpendstreamError
from streams.in_full import in_full
from streams.transport import Consumer, RecordBatch
from tests.fakes import record

CALLS0, CALLS1 = TP(topics.CALLS, 0), TP(topics.CALLS, 1)


class Thread:
    """The consumer's thread: notes where it was told to go."""

    def __init__(self, journal: list[Any]) -> None:
        self.journal = journal

    async def seek_wait(self, starts: Mapping[TP, int]) -> None:
        self.journal.append(("seek", dict(starts)))

    async def commit(self, offsets: Mapping[TP, int]) -> bool:
        self.journal.append(("commit", dict(offsets)))
        return True

    async def seek_to_committed(self) -> dict[TP, int]:
        self.journal.append(("seek to committed",))
        return {CALLS0: 5, CALLS1: -1}


class Positions:
    """Starts partition 0 at 40; leaves the others to the group."""

    def __init__(self, journal: list[Any]) -> None:
        self.journal = journal

    async def on_assigned(self, committed: Mapping[TP, int | None], consumer: Consumer) -> Mapping[TP, int]:
        self.journal.append(("assigned", dict(committed)))
        return {CALLS0: 40}

    async def before_revoke(self, partitions: set[TP]) -> None:
        self.journal.append(("revoke", set(partitions)))


def consumer() -> Any:
    """A `Consumer` as it is after start-up, as far as these tests go."""
    one: Any = object.__new__(Consumer)
    journal: list[Any] = []
    one.journal = journal
    one._delivered, one._by_identity, one._next_offset, one._owed = {}, {}, {}, {}
    one._fetching = asyncio.Lock()
    one._taking, one._revoked = None, False
    one._unacked_messages = set()
    one._committed_offset, one._read_offset = {}, {}
    one._buffered_partitions = set()
    one.flow_active = True
    one.can_resume_flow = asyncio.Event()
    one._thread = Thread(journal)
    one._stopped = SimpleNamespace(is_set=lambda: False)
    one._crashed = SimpleNamespace(is_set=lambda: False)
    one.highwater = lambda tp: 1000
    one.assignment = lambda: {CALLS0, CALLS1}
    one.app = SimpleNamespace(
        consumer_generation_id=1,
        monitor=SimpleNamespace(track_tp_end_offset=lambda tp, offset: None),
        positions=Positions(journal),
        conf=SimpleNamespace(broker_request_timeout=90.0, broker_session_timeout=40.0),
    )
    one.app.topics = SimpleNamespace(acks_enabled_for=lambda topic: True)
    return one


def deliver(one: Any, tp: TP, *offsets: int) -> Any:
    return one._batch_message(tp, [record(b"{}", offset, partition=tp.partition) for offset in offsets])


def committable(one: Any) -> dict[TP, int]:
    """What a commit would take, and takes."""
    found = dict(one._filter_committable_offsets(one._filter_tps_with_pending_acks(None)))
    one._owed.clear()
    return found


def test_a_message_is_the_run_of_a_fetch() -> None:
    one = consumer()
    one._next_offset[CALLS0] = 3
    message = deliver(one, CALLS0, 4, 5, 9)
    batch = message.value
    assert isinstance(batch, RecordBatch)
    assert (message.offset, batch.expected_offset, batch.highwater) == (9, 3, 1000)
    assert deliver(one, CALLS0, 10).value.expected_offset == 10
    assert deliver(one, CALLS1, 7).value.expected_offset is None


def test_a_message_without_a_timestamp_is_a_message() -> None:
    one = consumer()
    message = one._batch_message(CALLS0, [record(b"{}", 1, timestamp=cast(int, None))])
    assert message.timestamp == 0.0


def test_never_committed_past_what_is_not_settled() -> None:
    one = consumer()
    first, second, third = (deliver(one, CALLS0, offset) for offset in (0, 1, 2))
    one.settle(third)
    one.settle(second)
    assert committable(one) == {}
    one.settle(first)
    assert committable(one) == {CALLS0: 3}
    assert committable(one) == {}, "committed once"


@pytest.mark.parametrize("failure", [False, RuntimeError("away")])
def test_a_commit_that_fails_is_tried_again_though_nothing_new_comes(
    monkeypatch: pytest.MonkeyPatch, failure: bool | Exception
) -> None:
    one = consumer()
    asked: list[dict[TP, int]] = []
    answers: list[bool | Exception] = [failure, True]

    async def fausts(self: Any, offsets: Mapping[TP, int]) -> bool:
        asked.append(dict(offsets))
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(Consumer.__mro__[1], "_commit", fausts)
    one.settle(deliver(one, CALLS0, 4))

    async def commit() -> None:
        offsets = one._filter_committable_offsets(one._filter_tps_with_pending_acks(None))
        if offsets:
            with contextlib.suppress(RuntimeError):
                await one._commit(offsets)

    for _ in range(3):
        asyncio.run(commit())
    assert asked == [{CALLS0: 5}, {CALLS0: 5}]
    one.settle(deliver(one, CALLS0, 5))
    one._forget(CALLS0)
    asyncio.run(commit())
    assert len(asked) == 2, "what is another's is not committed"


def test_fausts_own_acknowledgement_settles_nothing() -> None:
    one = consumer()
    message = deliver(one, CALLS0, 0)
    one._unacked_messages.add(message)
    assert one.ack(message) is False
    assert committable(one) == {}
    assert one._unacked_messages == set(), "else a graceful stop would wait for it for ever"


def test_what_is_forgotten_cannot_be_settled_by_a_late_flush() -> None:
    one = consumer()
    old = deliver(one, CALLS0, 0)
    one._forget(CALLS0)
    again = deliver(one, CALLS0, 0)
    one.settle(old)
    assert committable(one) == {}
    one.settle(again)
    assert committable(one) == {CALLS0: 1}


def test_only_the_asked_for_partitions_are_committed() -> None:
    one = consumer()
    for tp in (CALLS0, CALLS1):
        one.settle(deliver(one, tp, 0))
    assert list(one._filter_tps_with_pending_acks({CALLS1})) == [CALLS1]
    assert set(one._filter_tps_with_pending_acks({topics.CALLS})) == {CALLS0, CALLS1}
    assert dict(one._filter_committable_offsets([CALLS1])) == {CALLS1: 1}
    assert committable(one) == {CALLS0: 1, CALLS1: 1}, "and again, as long as no commit has taken it"
    assert committable(one) == {}


steps = st.lists(
    st.tuples(st.sampled_from(["deliver", "settle", "commit", "forget"]), st.integers(0, 1), st.integers(0, 9))
)


@settings(max_examples=200, deadline=None)
@given(steps=steps)
def test_any_order_of_delivery_settling_committing_and_forgetting(steps: list[tuple[str, int, int]]) -> None:
    """Model: what may be committed is the end of the longest settled prefix since the last forgetting."""
    one = consumer()
    life: dict[TP, list[list[Any]]] = {CALLS0: [], CALLS1: []}
    everything: list[Any] = []
    offset = 0
    for what, partition, pick in steps:
        tp = (CALLS0, CALLS1)[partition]
        if what == "deliver":
            offset += 1
            message = deliver(one, tp, offset)
            life[tp].append([message, False])
            everything.append(message)
        elif what == "settle" and everything:
            chosen = everything[pick % len(everything)]
            one.settle(chosen)
            for entry in life[chosen.tp]:
                entry[1] = entry[1] or entry[0] is chosen
        elif what == "forget":
            one._forget(tp)
            life[tp] = []
        elif what == "commit":
            found = committable(one)
            for each in (CALLS0, CALLS1):
                prefix = []
                while life[each] and life[each][0][1]:
                    prefix.append(life[each].pop(0)[0])
                assert found.get(each) == (prefix[-1].offset + 1 if prefix else None)
    assert len(one._by_identity) == sum(map(len, one._delivered.values())), "nothing is kept of what is done"


def test_an_assignment_starts_where_the_ledger_says_else_where_the_group_was() -> None:
    one = consumer()
    stale = deliver(one, CALLS0, 3)
    asyncio.run(one.perform_seek())
    assert one.journal[:3] == [
        ("seek to committed",),
        ("assigned", {CALLS0: 5, CALLS1: None}),
        ("seek", {CALLS0: 40}),
    ]
    assert one.journal[3:] in ([], [("commit", {CALLS0: 40})]), "what the ledger holds may be committed, no more"
    assert deliver(one, CALLS0, 40).value.expected_offset == 40
    one.settle(stale)
    assert committable(one) == {}


def test_a_takeover_that_takes_too_long_is_a_fault_not_a_silent_stop() -> None:
    """Faust waits `broker_request_timeout`, then ends its own task without a word and nothing is ever read again."""
    one = consumer()
    one.app.conf.broker_request_timeout = 0.1

    async def never(*_: Any) -> dict[TP, int]:
        await asyncio.sleep(60)
        return {}

    one.app.positions.on_assigned = never
    with pytest.raises(TimeoutError):
        asyncio.run(one.perform_seek())


class Fetches:
    """Fetches that return when the test says so."""

    def __init__(self) -> None:
        self.began = asyncio.Event()
        self.answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    async def __call__(self, timeout: float) -> Any:  # noqa: ASYNC109 (Faust's signature)
        self.began.set()
        return await self.answer


async def drain(one: Any) -> list[Any]:
    return [message async for _, message in one.getmany(timeout=1.0)]


def test_a_fetch_from_before_the_rebalance_is_over_before_the_takeover_reads() -> None:
    """It would take the witness record away, and the topic would seem to have been made again."""

    async def main() -> None:
        one = consumer()
        one._wait_next_records = fetches = Fetches()
        fetch = asyncio.create_task(drain(one))
        await fetches.began.wait()
        one.flow_active = False
        seek = asyncio.create_task(one.perform_seek())
        await asyncio.sleep(0.02)
        assert one.journal == [], "the takeover waits for the fetch"
        fetches.answer.set_result(({CALLS0: [record(b"{}", 0)]}, {CALLS0}))
        assert await fetch == [], "what it brought is dropped"
        await seek
        assert ("seek", {CALLS0: 40}) in one.journal
        assert one._delivered == {}

    asyncio.run(main())


def test_no_fetch_begins_during_a_takeover() -> None:
    async def main() -> None:
        one = consumer()
        one._wait_next_records = fetches = Fetches()
        gate = asyncio.Event()

        async def on_assigned(*_: Any) -> dict[TP, int]:
            await gate.wait()
            return {}

        one.app.positions.on_assigned = on_assigned
        seek = asyncio.create_task(one.perform_seek())
        await asyncio.sleep(0)
        fetch = asyncio.create_task(drain(one))
        await asyncio.sleep(0.02)
        assert not fetches.began.is_set()
        gate.set()
        await seek
        fetches.answer.set_result(({CALLS0: [record(b"{}", 40)]}, {CALLS0}))
        assert [message.offset for message in await fetch] == [40]

    asyncio.run(main())


@pytest.mark.parametrize("change", ["flow", "generation"])
def test_a_rebalance_between_two_partitions_of_a_fetch_stops_the_delivery(change: str) -> None:
    async def main() -> None:
        one = consumer()
        one._wait_next_records = fetches = Fetches()
        found = {CALLS0: [record(b"{}", 0)], CALLS1: [record(b"{}", 0, partition=1)]}
        fetches.answer.set_result((found, {CALLS0, CALLS1}))
        messages = one.getmany(timeout=1.0)
        await anext(messages)
        if change == "flow":
            one.flow_active = False
        else:
            one.app.consumer_generation_id = 2
        with pytest.raises(StopAsyncIteration):
            await anext(messages)
        assert one._delivered.keys() == {CALLS0}

    asyncio.run(main())


def test_a_log_that_goes_back_reaches_who_takes_it() -> None:
    """Faust drops what lies before the offset that it read last: all of a topic that was made again, until that has
    grown beyond the old one's end.
    """

    async def main() -> None:
        one = consumer()
        one._read_offset[CALLS0] = None
        taken: list[RecordBatch] = []
        over = asyncio.Event()
        fetches = [[0, 1, 2], [3], [0, 1], [2]]

        async def fetched(timeout: float) -> Any:  # noqa: ASYNC109 (Faust's signature)
            if not fetches:
                over.set()
                return {}, {CALLS0}
            return {CALLS0: [record(b"{}", offset) for offset in fetches.pop(0)]}, {CALLS0}

        async def callback(message: Any) -> None:
            taken.append(message.value)

        async def first(step: Any, other: Any) -> None:
            other.close()
            await step

        one._wait_next_records, one.callback, one.wait_first, one.sleep = fetched, callback, first, asyncio.sleep
        one.suspend_flow = asyncio.Event()
        one._commit_every = None
        one.diag = SimpleNamespace(set_flag=lambda flag: None, unset_flag=lambda flag: None)
        one.log = SimpleNamespace(dev=lambda *_: None)
        await one._drain_messages(SimpleNamespace(_stopped=SimpleNamespace(is_set=over.is_set)))
        assert [[each.offset for each in batch.records] for batch in taken] == [[0, 1, 2], [3], [0, 1], [2]]
        for batch in (*taken[:2], taken[3]):
            batch.refuse_another_log()
        with pytest.raises(SpendstreamError, match="went back from offset 4 to 0"):
            taken[2].refuse_another_log()

    asyncio.run(main())


def test_revoke_flushes_first_and_forgets_last(monkeypatch: pytest.MonkeyPatch) -> None:
    one = consumer()
    message = deliver(one, CALLS0, 0)
    committed: list[dict[TP, int]] = []

    async def before_revoke(partitions: set[TP]) -> None:
        one.settle(message)

    async def commit() -> bool:
        committed.append(committable(one))
        return True

    async def fausts(self: Any, revoked: set[TP]) -> None:
        one.journal.append(("faust", revoked))
        deliver(one, CALLS0, 1)

    one.app.positions.before_revoke = before_revoke
    one.commit = commit
    monkeypatch.setattr(Consumer.__mro__[1], "on_partitions_revoked", fausts, raising=False)
    asyncio.run(one.on_partitions_revoked({CALLS0}))
    assert committed == [{CALLS0: 1}]
    assert one.journal == [("faust", {CALLS0})]
    assert one._delivered == {}


def test_a_takeover_ends_before_its_partitions_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else its fence could come after the next owner's, and nobody would have the partition."""

    async def nothing(*_: Any) -> bool:
        return True

    monkeypatch.setattr(Consumer.__mro__[1], "on_partitions_revoked", nothing, raising=False)
    monkeypatch.setattr(Consumer.__mro__[1], "on_partitions_assigned", nothing, raising=False)

    async def main() -> None:
        one = consumer()
        one.commit = nothing
        under_way, may_end = asyncio.Event(), threading.Event()

        def fence() -> None:
            one.app.loop.call_soon_threadsafe(under_way.set)
            assert may_end.wait(30)
            one.journal.append(("fenced",))

        async def on_assigned(*_: Any) -> dict[TP, int]:
            await in_full(fence)
            one.journal.append(("went on",))
            return {CALLS0: 40}

        one.app.loop = asyncio.get_running_loop()
        ready, one.app.positions.on_assigned = one.app.positions.on_assigned, on_assigned
        seek = asyncio.create_task(one.perform_seek())
        await under_way.wait()
        revoke = asyncio.create_task(one.on_partitions_revoked({CALLS0}))
        await asyncio.sleep(0.02)
        assert ("revoke", {CALLS0}) not in one.journal, "the next owner could fence now"
        may_end.set()
        await revoke
        assert one.journal == [("seek to committed",), ("fenced",), ("revoke", {CALLS0})]
        await seek  # Faust gives up waiting for it, and with it reading for good
        await one.perform_seek()
        assert len(one.journal) == 3, "what is revoked is not taken over"
        fetches = Fetches()
        one._wait_next_records = fetches
        fetches.answer.set_result(({CALLS0: [record(b"{}", 40)]}, {CALLS0}))
        assert await drain(one) == [], "no record may flow before the next assignment"

        one.app.positions.on_assigned = ready
        await one.on_partitions_assigned({CALLS0}, 2)
        await one.perform_seek()
        assert ("seek", {CALLS0: 40}) in one.journal
        assert len(await drain(one)) == 1

    asyncio.run(main())


def test_the_next_takeover_waits_for_one_that_was_cancelled() -> None:
    """Faust cancels a seek when another assignment comes, and begins the next at once."""

    async def main() -> None:
        one = consumer()
        loop, began, may_end = asyncio.get_running_loop(), asyncio.Event(), threading.Event()

        def fence() -> None:
            loop.call_soon_threadsafe(began.set)
            assert may_end.wait(30)
            one.journal.append(("fenced",))

        async def on_assigned(*_: Any) -> dict[TP, int]:
            await in_full(fence)
            return {}

        ready, one.app.positions.on_assigned = one.app.positions.on_assigned, on_assigned
        first = asyncio.create_task(one.perform_seek())
        await began.wait()
        first.cancel()
        one.app.positions.on_assigned = ready
        second = asyncio.create_task(one.perform_seek())
        await asyncio.sleep(0.02)
        assert one.journal == [("seek to committed",)]
        may_end.set()
        await second
        assert first.cancelled()
        assert [step[0] for step in one.journal[:4]] == ["seek to committed", "fenced", "seek to committed", "assigned"]

    asyncio.run(main())
