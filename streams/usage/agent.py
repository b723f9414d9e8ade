"""The usage agent: records of `spendstream.usage` into windows, and the answers to who asks for usage.

An answer comes from memory where the windows are complete here, else from the ledger; both give the same figures,
because a window is a function of the set of calls. Who asked for all agents gets the ledger's answer unless this
worker owns all partitions of the topic.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import structlog
from faust.types import TP, EventT

from schemas.usage import decode_usage
from streams import topics
from streams.errors import UsageError
from streams.ledger.store import LedgerStore
from streams.meter.pages import MEASURES, pico_usd
from streams.meter.route import Router
from streams.money import plain
from streams.transport import Consumer, RecordBatch
from streams.usage.windows import MOST_ROWS, SIZES, TooManyRows, WindowRow, Windows

log = structlog.get_logger("spendstream.usage")


@dataclass(frozen=True, slots=True)
class UsageQuestion:
    """What is asked: windows of one size that begin in [first, end), of one agent or all, of one tier or all."""

    window: str
    first: int
    end: int
    agent_id: str | None = None
    tier: str | None = None
    by: frozenset[str] = frozenset({"agent_id", "tier"})
    """What the rows are kept apart by; without `agent_id` the rows are per tier, without both per window."""


class UsageAgent:
    """All partitions of `spendstream.usage` that this worker owns. Runs on one event loop."""

    def __init__(
        self,
        store: LedgerStore,
        keep: Mapping[str, int],
        *,
        on_fatal: Callable[[BaseException], None] = lambda error: None,
    ) -> None:
        """`keep`: how many windows of each size stay in memory. `on_fatal` must end the process soon.

        Faust would go on after a fault with the next record, and windows that miss one would still be vouched for.
        """
        self._on_fatal = on_fatal
        self._store = store
        self._keep = keep
        self._owned: dict[int, Windows] = {}
        self._router: Router | None = None
        self._consumer: Consumer | None = None

    async def on_assigned(self, partitions: set[TP], consumer: Consumer) -> None:
        """Begin empty windows for each partition; what the ledger holds already is answered by the ledger."""
        self._consumer = consumer
        self._router = Router(await consumer.partition_count(topics.USAGE))
        newest_ms = await asyncio.to_thread(self._store.newest_ms)
        complete_from = newest_ms // 1000 + 1 if newest_ms else 0
        self._owned = {tp.partition: Windows(self._keep, complete_from) for tp in partitions}

    def before_revoke(self, partitions: set[TP]) -> None:
        """Let the windows go."""
        for tp in partitions:
            if tp.topic == topics.USAGE:
                self._owned.pop(tp.partition, None)

    async def run(self, events: AsyncIterable[EventT[Any]]) -> None:
        """The agent's body. A record that is no `usage` is skipped with a line in the log: sums come again."""
        try:
            await self._run(events)
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            log.error("the usage agent stops", error=repr(error), exc_info=error)
            self._on_fatal(error)
            raise

    async def _run(self, events: AsyncIterable[EventT[Any]]) -> None:
        async for event in events:
            batch = cast(RecordBatch, event.value)
            windows = self._owned.get(batch.partition)
            if windows is None:
                continue
            for record in batch.records:
                try:
                    windows.apply(decode_usage(record.value or b""))
                except (ValueError, OverflowError) as error:
                    log.warning(
                        "no usage record", partition=batch.partition, offset=record.offset, error=str(error)[:200]
                    )
            if self._consumer is not None:
                self._consumer.settle(event.message)

    @property
    def watermark_ms(self) -> int | None:
        """The newest event time seen here, epoch ms."""
        return max((w.watermark_ms for w in self._owned.values() if w.watermark_ms is not None), default=None)

    @property
    def size(self) -> int:
        """Cells and windows in memory."""
        return sum(windows.size for windows in self._owned.values())

    async def answer(self, question: UsageQuestion) -> dict[str, Any]:
        """The windows asked for, as the JSON object that `/v1/usage` returns. Raises `Unavailable`, and `UsageError`
        when there are too many."""
        try:
            found = self._from_memory(question)
            source = "memory"
            if found is None:
                source = "ledger"
                found = await asyncio.to_thread(
                    self._store.usage_windows,
                    SIZES[question.window],
                    question.first,
                    question.end,
                    question.agent_id,
                    question.tier,
                    question.by,
                )
            if len(found) > MOST_ROWS:
                raise TooManyRows(len(found))
        except TooManyRows as error:
            raise UsageError(
                f"the answer has more than {MOST_ROWS} rows: ask for a shorter time, one agent_id, or by=tier"
            ) from error
        return {
            "window": question.window,
            "from": question.first,
            "to": question.end,
            "source": source,
            "watermark_ms": self.watermark_ms,
            "rows": _lines(found),
        }

    def _from_memory(self, question: UsageQuestion) -> list[WindowRow] | None:
        router = self._router
        if router is None:
            return None
        wanted = range(router.partitions) if question.agent_id is None else [router.partition(question.agent_id)]
        rows: list[WindowRow] = []
        for partition in wanted:
            windows = self._owned.get(partition)
            if (
                windows is None
                or not windows.covers(question.window, question.first)
                or windows.is_dirty(question.window, question.first, question.end)
            ):
                return None
            rows += windows.rows(
                question.window, question.first, question.end, question.agent_id, question.tier, question.by
            )
        return rows


def _lines(rows: list[WindowRow]) -> list[dict[str, Any]]:
    """One object a window; rows of one window that several partitions gave are added up."""
    sums: dict[tuple[int, str | None, str | None], list[int]] = {}
    for row in rows:
        key = (row.start, row.agent_id, row.tier)
        known = sums.get(key)
        sums[key] = row.totals if known is None else [a + b for a, b in zip(known, row.totals, strict=True)]
    answer: list[dict[str, Any]] = []
    for (start, agent_id, tier), total in sorted(
        sums.items(), key=lambda item: (item[0][0], item[0][1] or "", item[0][2] or "")
    ):
        line: dict[str, Any] = {"start": start}
        if agent_id is not None:
            line["agent_id"] = agent_id
        if tier is not None:
            line["tier"] = tier
        line |= dict(zip(MEASURES[:-2], total, strict=False))
        line["cost_usd"] = plain(pico_usd(total))
        answer.append(line)
    return answer
