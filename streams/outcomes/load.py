"""Files of verdicts through Kafka and the worker into the ledger, and what came of them.

1. look      where log and ledger stand: a log that is shorter than the ledger says is a new one (a new incarnation)
2. publish   every line as it is, keyed by its run
3. wait      until every record that was published stands in the ledger
4. count     what they became
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from streams import topics
from streams.errors import Unavailable
from streams.ledger.sqlfiles import named_query
from streams.outcomes.runs import Reader
from streams.publish.discard import discard
from streams.replay.lines import read_chunks
from streams.replay.log import ends_of, partitions_of
from streams.replay.publish import BATCH_BYTES, LinePublisher, Range

_POLL_S = 0.1


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a load did. `new`: verdicts that the ledger did not know, by (run, id) or (run, agent, evaluator, time)."""

    published: int
    refused: int
    """Lines that the broker did not take for their size."""
    verdicts: int
    new: int
    rejects: Mapping[str, int]
    ledger_verdicts: int
    ledger_runs: int
    runs_without_calls: int
    """Of `ledger_runs`: judged, but the ledger has no call of them."""

    def as_json(self) -> dict[str, Any]:
        """JSON's own types."""
        return {
            "published": self.published,
            "verdicts": self.verdicts,
            "new": self.new,
            "rejected": sum(self.rejects.values()),
            "rejected_by_reason": dict(self.rejects),
            "refused_by_broker": self.refused,
            "ledger_verdicts": self.ledger_verdicts,
            "ledger_runs": self.ledger_runs,
            "runs_without_calls": self.runs_without_calls,
        }

    def in_words(self) -> str:
        """For people."""
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in self.rejects.items())
        lines = [
            f"{self.verdicts:,} verdicts: {self.new:,} new, {max(0, self.verdicts - self.new):,} known or replaced",
            f"  rejected    {sum(self.rejects.values()):>16,}{'  (' + reasons + ')' if reasons else ''}",
            f"the ledger now holds {self.ledger_verdicts:,} verdicts on {self.ledger_runs:,} runs",
        ]
        if self.refused:
            lines.insert(2, f"  refused     {self.refused:>16,}  (too large for the broker: not published)")
        if self.runs_without_calls:
            lines.append(f"{self.runs_without_calls:,} of these runs have no call in the ledger: is run_id the same?")
        return "\n".join(lines)


async def load_outcomes(
    broker_url: str,
    reader: Reader,
    sources: Sequence[str],
    now_ms: Callable[[], int],
    *,
    stall_s: float = 120.0,
    kafka: Mapping[str, Any] | None = None,
) -> Loaded:
    """Publish the lines of all files (`-` is standard input) and wait for the ledger. A worker runs elsewhere.

    Raises `Unavailable` (broker or worker away for `stall_s`) and `UsageError` (the topic is not there).
    """
    partitions = await partitions_of(broker_url, topics.OUTCOMES, kafka)
    ends = await ends_of(broker_url, topics.OUTCOMES, partitions, kafka)
    incarnations = await asyncio.to_thread(_incarnations, reader, ends)
    [[before, _, _]] = await asyncio.to_thread(reader.rows, named_query("outcome_totals"))
    producer = AIOKafkaProducer(bootstrap_servers=broker_url, acks="all", max_batch_size=BATCH_BYTES, **(kafka or {}))
    try:
        await producer.start()
    except KafkaError as error:
        raise Unavailable(f"Kafka at {broker_url}: {error}") from error
    try:
        publisher = LinePublisher(producer, topics.OUTCOMES, partitions, now_ms)
        for source in sources:
            for chunk in read_chunks(source):
                await publisher.add(chunk.lines)
        await publisher.flush()
    finally:
        await discard(producer)
    kinds, reasons = await _arrived(reader, publisher.ranges, incarnations, stall_s)
    [[verdicts, runs, alone]] = await asyncio.to_thread(reader.rows, named_query("outcome_totals"))
    return Loaded(
        publisher.published, publisher.refused, kinds["outcome"], max(0, int(verdicts) - int(before)),
        dict(reasons.most_common()), int(verdicts), int(runs), int(alone),
    )  # fmt: skip


def _incarnations(reader: Reader, ends: Mapping[int, int]) -> dict[int, int]:
    """The life of each partition's log that what we publish belongs to."""
    known = {int(p): (int(life), int(next_)) for p, life, next_ in reader.rows(named_query("outcome_positions"))}
    return {
        partition: 1 if partition not in known else known[partition][0] + (known[partition][1] > end)
        for partition, end in ends.items()
    }


async def _arrived(
    reader: Reader, ranges: Mapping[int, Range], incarnations: Mapping[int, int], stall_s: float
) -> tuple[Counter[str], Counter[str]]:
    """Wait until all records of the ranges are in the ledger; rows by kind, and rejects by reason."""
    wanted = sum(range_.end - range_.first for range_ in ranges.values())
    places = [
        {"partition": partition, "incarnation": incarnations[partition], "first": range_.first, "end": range_.end}
        for partition, range_ in ranges.items()
    ]
    most, since = -1, time.monotonic()
    while True:
        records = 0
        for place in places:
            [[found]] = await asyncio.to_thread(reader.rows, named_query("outcome_arrived"), place)
            records += int(found)
        if records >= wanted:
            break
        if records > most:
            most, since = records, time.monotonic()
        elif time.monotonic() - since > stall_s:
            raise Unavailable(
                f"{wanted - records:,} published verdicts wait, nothing has moved for {stall_s:.0f} s: "
                "is a worker running (`spendstream worker`) on this broker and this ledger?"
            )
        await asyncio.sleep(_POLL_S)
    kinds: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    for place in places:
        for kind, reason, rows in await asyncio.to_thread(reader.rows, named_query("outcome_stretch"), place):
            kinds[str(kind)] += int(rows)
            if kind == "reject":
                reasons[str(reason)] += int(rows)
    return kinds, reasons
