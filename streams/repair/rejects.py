"""Rejects: what there is, as lines that a person can mend, and mended calls sent again.

A retry is these steps, in this order because the order is the correctness:
    1. choose     rejects that nobody sent again yet, with their originals where the log still has them
    2. mend       what is no call even then is not sent, and said with its reason
    3. publish    each as a record of its own, under its run's key; wait for the broker
    4. mark       the rejects as sent again
    5. wait       until the ledger holds the records, and count what became of them
A crash between 3 and 4 leaves rejects that are open: sent again they are the same calls, and the ledger has them once.

The reject itself stays in the ledger: it is a record that came and was refused, and `audit` counts it. The mended call
is another record; what came in is then one more, and so is calls.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from streams import topics
from streams.errors import Unavailable, UsageError
from streams.ledger.sqlfiles import named_query
from streams.meter.route import Router
from streams.repair.marks import Marks, Retried
from streams.repair.mend import Fix, Mended, Place, StillBad, mend
from streams.repair.originals import find_originals
from streams.replay.publish import Range
from streams.replay.watch import LedgerWatch, Reader

RETRY_HEADER = "spendstream-retry"
"""On a record that was sent again; its value is the reject's place."""

CHUNK = 1_000
"""Calls between two marks: what a crash sends a second time is at most this."""

FOREVER_MS = 4_102_444_800_000  # 2100: later than any record
_EXAMPLES = 5


@dataclass(frozen=True, slots=True)
class Choice:
    """Which rejects. Instants are arrivals, epoch ms."""

    reasons: tuple[str, ...] = ()
    since_ms: int = 0
    until_ms: int = FOREVER_MS
    places: tuple[Place, ...] = ()
    all: bool = False
    """Also those that were sent again."""

    def parameters(self, per_reason: int, most: int) -> dict[str, Any]:
        """Of `rejects_listed.sql`."""
        return {
            "since": self.since_ms,
            "until": self.until_ms,
            "reasons": list(self.reasons),
            "places": [str(place) for place in self.places],
            "all": int(self.all),
            "per_reason": per_reason,
            "most": most,
        }


@dataclass(frozen=True, slots=True)
class Reject:
    """One reject as the ledger has it. `payload`: what was kept of it, see `streams.meter.judge`."""

    place: Place
    reason: str
    detail: str
    payload: str
    arrived_ms: int
    retried: bool

    def kept(self) -> Any:
        """The payload's object; None when it is only a shape."""
        try:
            found = json.loads(self.payload)
        except ValueError:
            return None
        return found if isinstance(found, dict) else None

    def as_json(self) -> dict[str, Any]:
        """One line of an export: `call` is what to mend."""
        return {
            "at": str(self.place),
            "reason": self.reason,
            "detail": self.detail,
            "arrived_ms": self.arrived_ms,
            "call": self.kept(),
            **({} if self.kept() is not None else {"shape": self.payload}),
        }


@dataclass(frozen=True, slots=True)
class Reason:
    """Rejects of one reason."""

    reason: str
    rejects: int
    open: int
    first: str
    last: str


def by_reason(reader: Reader, choice: Choice) -> list[Reason]:
    """How many of each, most open ones first."""
    place = {"since": choice.since_ms, "until": choice.until_ms}
    rows = [Reason(str(r), int(n), int(o), str(f), str(t)) for r, n, o, f, t in reader.rows(_REASONS, place)]
    return [row for row in rows if not choice.reasons or row.reason in choice.reasons]


def listed(reader: Reader, choice: Choice, *, per_reason: int = 1_000_000, most: int = 1_000_000) -> list[Reject]:
    """Rejects, newest first."""
    return [
        Reject(
            Place(int(incarnation), int(partition), int(offset), int(item)),
            str(reason), str(detail), str(payload), int(arrived_ms), bool(retried),
        )
        for reason, detail, payload, arrived_ms, incarnation, partition, offset, item, retried in reader.rows(
            _LISTED, choice.parameters(per_reason, most)
        )
    ]  # fmt: skip


_REASONS = named_query("rejects_by_reason")
_LISTED = named_query("rejects_listed")


def edited(lines: Iterable[tuple[str, str]]) -> dict[Place, Any]:
    """Calls by place from an export that was mended by hand; `lines`: (where, text). Lines without a call are left out.

    Raises `UsageError` with the first twenty faults.
    """
    faults: list[str] = []
    found: dict[Place, Any] = {}
    for where, text in lines:
        if not text.strip():
            continue
        try:
            line = json.loads(text)
            place = Place.parse(str(line["at"]))
            call = line["call"]
        except (ValueError, KeyError, TypeError, UsageError, RecursionError):
            faults.append(f'{where}: one object with "at" and "call" is expected, as `rejects export` writes it')
            continue
        if place in found:
            faults.append(f"{where}: {place} is there twice")
        if call is not None:
            found[place] = call
    if faults:
        raise UsageError("cannot read the mended calls\n" + "\n".join(f"  - {fault}" for fault in faults[:20]))
    return found


@dataclass(slots=True)
class RetryResult:
    """What a retry did."""

    retry_id: str
    chosen: int = 0
    """Rejects that were looked at."""
    from_log: int = 0
    """Those whose original the log still had."""
    sent: int = 0
    outcomes: dict[str, int] = field(default_factory=dict)
    """What became of the sent ones in the ledger: call, duplicate, or reject."""
    still_bad: dict[str, int] = field(default_factory=dict)
    """Not sent, by reason."""
    examples: list[StillBad] = field(default_factory=list)
    dry_run: bool = False

    def as_json(self) -> dict[str, Any]:
        """JSON's own types."""
        return {
            "retry_id": self.retry_id,
            "dry_run": self.dry_run,
            "chosen": self.chosen,
            "from_log": self.from_log,
            "sent": self.sent,
            "outcomes": self.outcomes,
            "not_sent": self.still_bad,
            "examples": [{"at": str(one.place), "reason": one.reason, "detail": one.detail} for one in self.examples],
        }


async def retry(
    broker_url: str,
    reader: Reader,
    marks: Marks,
    choice: Choice,
    fix: Fix,
    *,
    by: str,
    now_ms: Callable[[], int],
    by_hand: Mapping[Place, Any] | None = None,
    most: int = 1_000_000,
    dry_run: bool = False,
    stall_s: float = 120.0,
    kafka: Mapping[str, Any] | None = None,
) -> RetryResult:
    """See the module. `by_hand`: calls that replace the rejects' own; then only these are sent.

    Raises `Unavailable` (broker, ledger or workers away).
    """
    result = RetryResult(secrets.token_hex(8), dry_run=dry_run)
    rejects = await asyncio.to_thread(listed, reader, choice, most=most)
    if by_hand is not None:
        rejects = [one for one in rejects if one.place in by_hand]
    result.chosen = len(rejects)
    originals: dict[Place, Any] = {}
    if rejects and by_hand is None:
        originals = await find_originals(broker_url, [(one.place, one.arrived_ms) for one in rejects], kafka)
    result.from_log = len(originals)
    mended = list(_mended(rejects, originals, by_hand, fix, now_ms(), result))
    if dry_run or not mended:
        result.sent = len(mended) if dry_run else 0
        return result
    text = "by hand" if by_hand is not None and str(fix) == "as it is" else str(fix)
    ranges = await _send(broker_url, mended, marks, result, text, by, now_ms, kafka)
    await _until_in_ledger(reader, ranges, stall_s)
    rows = await asyncio.to_thread(reader.rows, named_query("retry_outcomes"), {"retry_id": result.retry_id})
    found: Counter[str] = Counter()
    for outcome, reason, calls in rows:
        found[f"{outcome}: {reason}" if outcome == "reject" else str(outcome)] += int(calls)
    result.outcomes = dict(found)
    return result


def _mended(
    rejects: Sequence[Reject],
    originals: Mapping[Place, Any],
    by_hand: Mapping[Place, Any] | None,
    fix: Fix,
    now_ms: int,
    result: RetryResult,
) -> Iterator[Mended]:
    bad: Counter[str] = Counter()
    for reject in reversed(rejects):  # oldest first, as they came
        if by_hand is not None:
            record, whole = by_hand[reject.place], True
        elif reject.place in originals:
            record, whole = originals[reject.place], True
        else:
            record, whole = reject.kept(), False
        verdict = mend(record, fix, reject.place, reject.arrived_ms, now_ms, whole=whole)
        if isinstance(verdict, Mended):
            yield verdict
            continue
        bad[verdict.reason] += 1
        if len(result.examples) < _EXAMPLES:
            result.examples.append(verdict)
    result.still_bad = dict(bad.most_common())


async def _send(
    broker_url: str,
    mended: Sequence[Mended],
    marks: Marks,
    result: RetryResult,
    fix: str,
    by: str,
    now_ms: Callable[[], int],
    kafka: Mapping[str, Any] | None,
) -> dict[int, Range]:
    producer = AIOKafkaProducer(bootstrap_servers=broker_url, acks="all", max_request_size=4 << 20, **(kafka or {}))
    ranges: dict[int, Range] = {}
    try:
        await producer.start()
        router = Router(len(await producer.partitions_for(topics.CALLS)))
        for start in range(0, len(mended), CHUNK):
            chunk = mended[start : start + CHUNK]
            where = await asyncio.gather(*[
                await producer.send(
                    topics.CALLS, one.value, one.key, router.partition(one.key.decode()),
                    headers=[(RETRY_HEADER, str(one.place).encode())],
                )
                for one in chunk
            ])  # fmt: skip
            rows = [
                Retried(place.incarnation, place.partition, place.offset, place.item, at.partition, at.offset)
                for place, at in zip((one.place for one in chunk), where, strict=True)
            ]
            await asyncio.to_thread(marks.retried, result.retry_id, fix, by, now_ms(), rows)
            result.sent += len(chunk)
            for at in where:
                known = ranges.setdefault(at.partition, Range(at.offset, at.offset + 1))
                known.first, known.end = min(known.first, at.offset), max(known.end, at.offset + 1)
    except KafkaError as error:
        raise Unavailable(f"Kafka at {broker_url}: {error}") from error
    finally:
        await producer.stop()
    return ranges


async def _until_in_ledger(reader: Reader, ranges: Mapping[int, Range], stall_s: float) -> None:
    watch = LedgerWatch(reader, stall_s=stall_s)
    polling = asyncio.create_task(watch.run())
    try:
        await watch.until_behind(ranges, 0)
    finally:
        polling.cancel()
        await asyncio.gather(polling, return_exceptions=True)
