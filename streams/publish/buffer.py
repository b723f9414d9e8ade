"""The bounded buffer between router and sender, and the count of every call that was handed in.

Contract
    - Safe from any thread; no method blocks beyond a lock that is held for some instructions.
    - A call holds its place until the broker has acknowledged it, so the bound counts calls in flight as well.
    - At every moment `published = delivered + buffered + sum(dropped)`.
"""

from __future__ import annotations

import logging
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from threading import Lock

from streams.publish.record import DropReason, Record

log = logging.getLogger("spendstream.publish")


@dataclass(frozen=True, slots=True)
class Stats:
    """Counts of calls since the publisher was made; `published = delivered + buffered + sum(dropped.values())`."""

    published: int
    """Calls handed to `publish()`, also those that it refused."""
    delivered: int
    """Acknowledged by the broker."""
    dropped: Mapping[str, int]
    """Given up, by reason (`DropReason`)."""
    buffered: int
    """Waiting or in flight."""
    resent: int
    """Calls sent again because the first try was not acknowledged (the ledger counts the copies as duplicates)."""
    unknown_fields: int
    """Keys left out because the contract does not know them."""
    connected: bool
    """The broker has answered and not failed since."""

    @property
    def dropped_total(self) -> int:
        """Calls given up, whatever the reason."""
        return sum(self.dropped.values())


class Buffer:
    """First in, first out, bounded by calls and by bytes."""

    def __init__(self, max_calls: int, max_bytes: int) -> None:
        self._max_calls = max_calls
        self._max_bytes = max_bytes
        self._lock = Lock()
        self._waiting: deque[Record] = deque()
        self._calls = 0
        self._bytes = 0
        self._published = 0
        self._delivered = 0
        self._dropped: Counter[str] = Counter()
        self._resent = 0
        self._unknown = 0
        self._closed = False
        self._asleep = False
        self._wake: Callable[[], object] | None = None
        self.connected = False
        self.in_trouble = False
        """The sender's log says so, with the number of dropped calls, so that a full buffer need not be said here."""

    def offer(self, record: Record, unknown: int = 0) -> DropReason | None:
        """Take the call in, or say why not. `unknown`: its keys that are not of the contract.

        Raises RuntimeError only when the reader's event loop was closed under it (the call is then in the buffer).
        """
        wake = None
        size = record.size
        with self._lock:
            self._published += 1
            self._unknown += unknown
            full = self._calls >= self._max_calls or self._bytes + size > self._max_bytes
            reason: DropReason | None = "closed" if self._closed else "buffer_full" if full else None
            said = self._drop(reason, 1) if reason is not None else 0
            if reason is None:
                self._waiting.append(record)
                self._calls += 1
                self._bytes += size
                if self._asleep:
                    self._asleep, wake = False, self._wake
        if reason is not None:
            _say(reason, said)
        elif wake is not None:
            wake()
        return reason

    def refuse(self, reason: DropReason, unknown: int = 0) -> None:
        """Count a call that never got as far as the buffer."""
        with self._lock:
            self._published += 1
            self._unknown += unknown
            said = self._drop(reason, 1)
        _say(reason, said)

    def take(self, limit: int) -> list[Record]:
        """Up to `limit` waiting calls for the sender; they keep their places until `settle` or `give_up`."""
        with self._lock:
            taken = list(islice(self._waiting, limit))
            if len(taken) == len(self._waiting):
                self._waiting.clear()
            else:
                for _ in taken:
                    self._waiting.popleft()
        return taken

    def put_back(self, records: Sequence[Record], tried: int) -> None:
        """Put calls that were not acknowledged in front again, in their order; `tried` of them had been sent."""
        with self._lock:
            self._waiting.extendleft(reversed(records))
            self._resent += tried

    def settle(self, records: Sequence[Record]) -> None:
        """The broker has these calls."""
        with self._lock:
            self._delivered += len(records)
            self._free(records)

    def give_up(self, records: Sequence[Record], reason: DropReason) -> None:
        """These calls, taken before, will not be sent any more."""
        with self._lock:
            self._free(records)
            said = self._drop(reason, len(records))
        _say(reason, said)

    def give_up_all(self, reason: DropReason) -> None:
        """Close the buffer and drop what is left in it."""
        with self._lock:
            self._closed = True
            left, self._calls, self._bytes = self._calls, 0, 0
            self._waiting.clear()
            said = self._drop(reason, left)
        _say(reason, said)

    def close(self) -> None:
        """Take no more calls in; those that are in stay."""
        with self._lock:
            self._closed = True

    def when_filled(self, wake: Callable[[], object] | None) -> None:
        """Call `wake` (from whichever thread) once, at the first call offered after each `sleep()`."""
        with self._lock:
            self._wake = wake

    def sleep(self) -> bool:
        """Ask to be woken by the next call; False, and no wake, when calls are waiting already."""
        with self._lock:
            self._asleep = not self._waiting
            return self._asleep

    @property
    def calls(self) -> int:
        """Calls that hold a place: waiting or in flight."""
        return self._calls

    @property
    def room(self) -> int:
        """Calls that fit yet (by count; the bound on bytes may bite first)."""
        return max(0, self._max_calls - self._calls)

    def stats(self) -> Stats:
        """A consistent snapshot."""
        with self._lock:
            return Stats(
                published=self._published,
                delivered=self._delivered,
                dropped=dict(self._dropped),
                buffered=self._calls,
                resent=self._resent,
                unknown_fields=self._unknown,
                connected=self.connected,
            )

    def _free(self, records: Sequence[Record]) -> None:
        self._calls -= len(records)
        self._bytes -= sum(record.size for record in records)

    def _drop(self, reason: DropReason, calls: int) -> int:
        """Count under the lock; the new total if it should be said aloud, else 0.

        It is said at the 1st, 10th, 100th, ... drop: seen by whoever reads logs, no flood when Kafka is away for hours.
        """
        if not calls:
            return 0
        before = self._dropped[reason]
        self._dropped[reason] = after = before + calls
        if reason == "buffer_full" and self.in_trouble:
            return 0
        return after if not before or len(str(after)) > len(str(before)) else 0


def _say(reason: DropReason, total: int) -> None:
    if total:
        log.warning("%d call(s) not published so far: %s", total, reason)
