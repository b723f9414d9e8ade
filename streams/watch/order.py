"""Whose turn it is: calls of all sources in one order, (time, id), with as little waiting as that allows.

A source is a partition of `spendstream.calls`; its parts come in the order of its log. A call is given once nothing
older can come any more. For each source one of these must hold:
    flowing   its watermark is `disorder_ms` past the call
    at end    its log was empty at a wall time W, and W less its usual lag (wall time less event time of its newest
              calls) is past the call: what happens live reaches the log in time; not for history, whose lag is long
    settled   its log was empty two seconds or more after the call was read from the log elsewhere: what was published
              before the call, or by the same hand shortly after it, would be there
    absent    no worker has spoken of it for `absent_ms`: its owner is dead and it has no new one yet
So a full-speed replay of history keeps its order however unevenly its partitions are read, and a live call waits for
about a second. Two bounds on waiting: a live call (fresh when it was read) is given after ten seconds at the latest,
and at most `most_held` calls wait, then the oldest go (`forced` counts them). A call that comes after younger ones were
given is late: it is given next, and counted.

Pure: wall time is passed in, epoch ms.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from streams.watch.record import Cursor, Part, StepCall

SETTLED_MS = 2_000
"""A publisher's linger and retries are shorter; a replay hands over each batch within milliseconds."""

LIVE_MS = 60_000
"""A call younger than this when it was read is live: it matters now."""

PATIENCE_MS = 10_000
"""The longest a live call waits for sources that are behind."""

HISTORY_MS = 600_000
"""A source with a longer lag carries history: its clock is its calls, not the wall's."""

SLACK_MS = 10_000
"""How far behind the wall the clock runs on without calls: one that is a little slower than usual is not late."""

_NEVER = -(2**62)


@dataclass(slots=True)
class Source:
    """How far a source is. Times in epoch ms; `position`: nothing older than this less the disorder will come."""

    incarnation: int = 0
    epoch: int = 0
    cursor: Cursor = (-1, 0)
    watermark: int = _NEVER
    position: int = _NEVER
    lag: int | None = None
    at_end: bool = False
    claim: int = _NEVER
    """Wall time of the last word that its log was empty."""
    heard: int = _NEVER
    """Wall time of the last word at all."""


@dataclass(frozen=True, slots=True)
class Gap:
    """A stretch of a source that nobody spoke of: read it from the ledger. Both ends as (incarnation, offset, item),
    the first exclusive.
    """

    partition: int
    after: tuple[int, int, int]
    through: tuple[int, int, int]


class _Bucket:
    """Calls of one second of event time."""

    __slots__ = ("calls", "wall")

    def __init__(self) -> None:
        self.calls: list[tuple[int, str, int, StepCall]] = []
        self.wall = _NEVER


class Order:
    """See the module."""

    def __init__(
        self, sources: Iterable[int], wall_ms: int, *, disorder_ms: int, absent_ms: int, most_held: int = 500_000
    ) -> None:
        """`sources`: all partitions of the calls topic; each is waited for until it is absent."""
        self.sources = {partition: Source(heard=wall_ms) for partition in sources}
        self.disorder_ms = disorder_ms
        self.absent_ms = absent_ms
        self.most_held = most_held
        self.held = 0
        self.late = 0
        self.forced = 0
        self.given = _NEVER
        """Event time of the youngest call given."""
        self._floor = _NEVER
        self._fresh: deque[tuple[int, int]] = deque()  # (wall, watermark) of live parts
        self._buckets: dict[int, _Bucket] = {}
        self._seconds: list[int] = []
        self._number = 0

    # -- in

    def is_void(self, part: Part) -> bool:
        """Of an owner that has a successor: what it says is wrong, or in the ledger."""
        source = self.sources.get(part.partition)
        return source is not None and (part.incarnation, part.epoch) < (source.incarnation, source.epoch)

    def gap(self, part: Part) -> Gap | None:
        """What must be read from the ledger before `part` is taken."""
        source = self.sources.get(part.partition) or Source()
        known = (source.incarnation, *source.cursor)
        wanted = (part.incarnation, *part.after)
        return Gap(part.partition, known, wanted) if known < wanted else None

    def filled(self, gap: Gap, calls: Sequence[StepCall], wall_ms: int, at: tuple[int, int, int] | None = None) -> None:
        """Calls of a gap, or of its beginning up to `at`."""
        incarnation, offset, item = at or gap.through
        source = self.sources.setdefault(gap.partition, Source(heard=wall_ms))
        source.incarnation, source.cursor = incarnation, (offset, item)
        if calls:
            newest = max(call.time for call in calls)
            source.watermark = max(source.watermark, min(newest, wall_ms))
            source.position = max(source.position, source.watermark)
        self.hold(calls, wall_ms)

    def take(self, part: Part, wall_ms: int) -> None:
        """A part that is neither void nor behind a gap. `wall_ms`: of its record."""
        source = self.sources.setdefault(part.partition, Source(heard=wall_ms))
        rows = part.rows
        cursor = source.cursor if part.incarnation == source.incarnation else (-1, 0)
        if rows is not None and part.through > cursor:
            calls = rows.calls()
            if part.after < cursor:
                calls = [call for call, new in zip(calls, rows.beyond(cursor), strict=True) if new]
            self.hold(calls, wall_ms)
        source.incarnation, source.epoch = part.incarnation, part.epoch
        source.cursor = max(cursor, part.through)
        source.heard = max(source.heard, wall_ms)
        newest = _NEVER if part.watermark_ms is None else min(part.watermark_ms, wall_ms)
        if newest > source.watermark:
            source.watermark = newest
            source.lag = wall_ms - newest
            if source.lag < LIVE_MS:
                self._fresh.append((wall_ms, newest))
        source.position = max(source.position, source.watermark)
        source.at_end = part.at_end
        if part.at_end:
            source.claim = max(source.claim, wall_ms)
            lag = source.lag
            if lag is None:
                lag = self._usual_lag()
            elif lag >= HISTORY_MS:
                lag = None
            if lag is not None:
                source.position = max(source.position, wall_ms - lag)

    def placed(self, partition: int, incarnation: int, cursor: Cursor) -> None:
        """All of a source through `cursor` was read elsewhere."""
        source = self.sources.setdefault(partition, Source())
        if (source.incarnation, source.cursor) < (incarnation, cursor):
            source.incarnation, source.cursor = incarnation, cursor

    def ingested(self, wall_ms: int) -> None:
        """All that was ingested up to a moment was read from the ledger, of all sources."""
        for source in self.sources.values():
            source.at_end = True
            source.claim = source.heard = max(source.claim, wall_ms)

    def heard(self, wall_ms: int) -> None:
        """What the ledger had is read: from here on the topic speaks."""
        for source in self.sources.values():
            source.at_end, source.heard = False, wall_ms

    def hold(self, calls: Iterable[StepCall], wall_ms: int) -> None:
        """Take calls that were read from the log (or the ledger) at `wall_ms`."""
        buckets, number, given, late = self._buckets, self._number, self.given, 0
        begun = number
        for call in calls:
            at = call.time
            second = at // 1000
            bucket = buckets.get(second)
            if bucket is None:
                bucket = buckets[second] = _Bucket()
                heapq.heappush(self._seconds, second)
            if bucket.wall < wall_ms:
                bucket.wall = wall_ms
            number += 1
            bucket.calls.append((at, call.id, number, call))
            if at < given:
                late += 1
        self._number = number
        self.held += number - begun
        self.late += late

    # -- out

    def release(self, now_ms: int) -> Iterator[list[StepCall]]:
        """The calls whose turn has come, in order, some at a time. `now_ms`: wall time of what was read last."""
        fresh = self._fresh
        while fresh and fresh[0][0] <= now_ms - PATIENCE_MS:
            self._floor = max(self._floor, fresh.popleft()[1] - self.disorder_ms)
        present = self._present(now_ms)
        strict = min((source.position for source in present), default=_NEVER) - self.disorder_ms
        limit = max(strict, self._floor)
        flowing = min((source.position for source in present if not source.at_end), default=2**62) - self.disorder_ms
        settled = min((source.claim for source in present if source.at_end), default=_NEVER) - SETTLED_MS
        seconds = self._seconds
        while seconds:
            second = seconds[0]
            bucket = self._buckets[second]
            end = second * 1000 + 999
            if end <= limit or (end <= flowing and bucket.wall <= settled) or self.held > self.most_held:
                if end > limit and not (end <= flowing and bucket.wall <= settled):
                    self.forced += len(bucket.calls)
                heapq.heappop(seconds)
                del self._buckets[second]
                bucket.calls.sort()
                yield self._give(bucket.calls)
                continue
            if second * 1000 <= limit:
                bucket.calls.sort()
                cut = _cut(bucket.calls, limit)
                if cut:
                    some = bucket.calls[:cut]
                    del bucket.calls[:cut]
                    if not bucket.calls:
                        heapq.heappop(seconds)
                        del self._buckets[second]
                    yield self._give(some)
            return

    def clock(self, now_ms: int) -> int | None:
        """How far event time has come while no calls come; None where only calls move it: there are calls in hand, a
        source is behind, or the last calls were history.
        """
        present = self._present(now_ms)
        if self.held or not present or not all(source.at_end for source in present):
            return None
        lags = [source.lag for source in present if source.lag is not None]
        if not lags or max(lags) >= HISTORY_MS:
            return None
        at = min(source.position for source in present if source.lag is not None) - self.disorder_ms - SLACK_MS
        return at if at > self.given else None

    def everything(self) -> list[StepCall]:
        """All calls in hand, in order; they stay (for a checkpoint)."""
        entries = sorted(entry for bucket in self._buckets.values() for entry in bucket.calls)
        return [entry[3] for entry in entries]

    def idle(self, now_ms: int) -> bool:
        """Nothing is in hand and every source stands at its end."""
        return not self.held and all(source.at_end for source in self._present(now_ms))

    # -- state

    def state(self) -> dict[str, Any]:
        """All but the calls in hand, as plain values."""
        return {
            "sources": {
                partition: (s.incarnation, s.epoch, s.cursor, s.watermark, s.position, s.lag)
                for partition, s in self.sources.items()
            },
            "given": self.given,
            "late": self.late,
            "forced": self.forced,
        }

    def resume(self, state: dict[str, Any], held: Sequence[StepCall], wall_ms: int) -> None:
        """Go on from `state`; sources that it does not name stay as they are."""
        for partition, (incarnation, epoch, cursor, watermark, position, lag) in state["sources"].items():
            self.sources[partition] = Source(incarnation, epoch, tuple(cursor), watermark, position, lag, heard=wall_ms)
        self.hold(held, wall_ms)
        self.given, self.late, self.forced = state["given"], state["late"], state["forced"]

    # -- inside

    def _present(self, now_ms: int) -> list[Source]:
        heard = now_ms - self.absent_ms
        return [source for source in self.sources.values() if source.heard >= heard]

    def _usual_lag(self) -> int | None:
        """For a source that never had a call: the longest of the others', where those are live."""
        longest = max((source.lag for source in self.sources.values() if source.lag is not None), default=LIVE_MS)
        return longest if longest < LIVE_MS else None

    def _give(self, entries: list[tuple[int, str, int, StepCall]]) -> list[StepCall]:
        self.held -= len(entries)
        if entries[-1][0] > self.given:
            self.given = entries[-1][0]
        return [entry[3] for entry in entries]


def _cut(entries: list[tuple[int, str, int, StepCall]], limit: int) -> int:
    cut = len(entries)
    while cut and entries[cut - 1][0] > limit:
        cut -= 1
    return cut
