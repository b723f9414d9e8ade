"""Knows from the ledger how far the pipeline has come: by positions, never by waiting some time.

A record is done when the ledger's position of its partition, in the topic's current life, has passed its offset.
A call that the meter sends on to its own partition is done when it is done there; it never travels twice, so looking
at the log's ends once more after everything published is done is enough.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from streams.errors import Unavailable
from streams.ledger.sqlfiles import named_query
from streams.replay.publish import Range


class Reader(Protocol):
    """The part of `streams.cli.reach.Ledger` that is needed; blocks."""

    def rows(
        self, sql: str, parameters: Mapping[str, Any] | None = None, settings: Mapping[str, str] | None = None
    ) -> list[list[Any]]:
        """All rows."""
        ...


@dataclass(frozen=True, slots=True)
class At:
    """Where the ledger is in a partition."""

    incarnation: int
    next: int
    """The first offset that is not in the ledger."""


class LedgerWatch:
    """Asks the ledger for its positions every `interval_s`, in a thread, for as long as `run` runs."""

    def __init__(self, reader: Reader, *, interval_s: float = 0.1, stall_s: float = 120.0) -> None:
        """`stall_s`: with records waiting and no progress for that long, waiting raises `Unavailable`."""
        self._reader = reader
        self._interval_s = interval_s
        self._stall_s = stall_s
        self._moved_on = asyncio.Condition()
        self._fault: BaseException | None = None
        self.positions: dict[int, At] = {}

    async def run(self) -> None:
        """Poll until cancelled; a fault is kept and raised to whoever waits."""
        failures = 0
        while True:
            try:
                found = await asyncio.to_thread(self._reader.rows, named_query("log_positions"))
                self.positions = {int(p): At(int(i), int(n)) for p, i, n in found}
                failures = 0
            except asyncio.CancelledError:
                raise
            except Unavailable as error:
                failures += 1
                if failures * self._interval_s > self._stall_s:
                    self._fault = error
            except Exception as error:
                self._fault = error
            async with self._moved_on:
                self._moved_on.notify_all()
            if self._fault is not None:
                return
            await asyncio.sleep(self._interval_s)

    def behind(self, ranges: Mapping[int, Range]) -> int:
        """Records of these ranges that are not in the ledger yet."""
        total = 0
        for partition, range_ in ranges.items():
            at = self.positions.get(partition)
            total += range_.end - min(range_.end, max(range_.first, at.next if at else 0))
        return total

    async def until_behind(self, ranges: Mapping[int, Range], most: int) -> None:
        """Wait until at most `most` records of `ranges` (which may grow meanwhile) are missing in the ledger.

        Raises `Unavailable` when nothing moves for `stall_s`, or what the ledger answered with.
        """
        loop = asyncio.get_running_loop()
        least, since = None, loop.time()
        async with self._moved_on:
            while True:
                if self._fault is not None:
                    raise self._fault
                behind = self.behind(ranges)
                if behind <= most:
                    return
                if least is None or behind != least:
                    least, since = behind, loop.time()
                elif loop.time() - since > self._stall_s:
                    raise Unavailable(
                        f"{behind:,} published calls wait, nothing has moved for {self._stall_s:.0f} s: "
                        "is a worker running (`spendstream worker`) on this broker and this ledger?"
                    )
                await self._moved_on.wait()
