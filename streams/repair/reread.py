"""`replay --from TIME --topic`: the log read again into the ledger, from a time on, without doubling.

Nothing is copied and nothing is sent: the workers read the topic's own records once more, as a new life (incarnation)
of each partition, through all the steps that every call goes. A call that the ledger holds is a duplicate, known by its
identity, and so is a reject, known by its place; what was missing is a call. Positions stay unique and dense, so
`audit` holds, and everything that counts calls counts each once.

(Why duplicates, and not skipping what is there: the ledger proves by positions that nothing is missing; a row that is
left out because another life has it would be a hole. The price is one small row a record.)

    1. look    where TIME is in each partition's log, and whether the log still reaches back so far
    2. ask     one row for each partition in `replays`
    3. wait    workers see it within seconds and begin again; until the ledger holds the log to the end that 1 saw
    4. count   the rows of the new lives
"""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition

from streams import topics
from streams.counted import counted
from streams.errors import NotPossible, Unavailable
from streams.ledger.sqlfiles import named_query
from streams.repair.marks import Asked, Marks
from streams.replay.log import partitions_of
from streams.replay.watch import Reader

POLL_S = 0.3


@dataclass(frozen=True, slots=True)
class Stretch:
    """What a partition's log has: offsets, and the instant of its first record (epoch ms, None when it is empty)."""

    partition: int
    first: int
    end: int
    start: int
    """Of the first record at or after the time that was asked for; `end` when there is none."""
    first_ms: int | None


@dataclass(slots=True)
class RereadResult:
    """What was read again, and what it was to the ledger."""

    replay_id: str
    records: int
    partitions: int
    outcomes: dict[str, int] = field(default_factory=dict)
    calls: int = 0
    """Of the whole ledger, afterwards."""
    calls_before: int = 0

    def as_json(self) -> dict[str, Any]:
        """JSON's own types."""
        return {
            "replay_id": self.replay_id,
            "partitions": self.partitions,
            "records": self.records,
            "new": self.outcomes.get("call", 0),
            "duplicates": self.outcomes.get("duplicate", 0),
            "rejected": self.outcomes.get("reject", 0),
            "moved": self.outcomes.get("moved", 0),
            "gaps": self.outcomes.get("gap", 0),
            "calls_before": self.calls_before,
            "calls": self.calls,
        }


@dataclass(slots=True)
class Progress:
    """Where it is; written by `reread`."""

    records: int = 0
    behind: int = 0


async def reread(
    broker_url: str,
    reader: Reader,
    marks: Marks,
    from_ms: int,
    *,
    by: str,
    as_far_as_it_goes: bool = False,
    stall_s: float = 120.0,
    progress: Progress | None = None,
    kafka: Mapping[str, Any] | None = None,
) -> RereadResult:
    """See the module. `from_ms`: epoch ms of the records' own timestamps.

    Raises `NotPossible` when the log does not reach back so far (`as_far_as_it_goes` takes what there is) or holds
    nothing since, `Unavailable` when broker, ledger or workers are away.
    """
    partitions = await partitions_of(broker_url, topics.CALLS, kafka)
    log = await look(broker_url, partitions, from_ms, kafka)
    if not as_far_as_it_goes:
        refuse_short(log, from_ms)
    wanted = [one for one in log if one.start < one.end]
    if not wanted:
        raise NotPossible(f"the log holds no record since {_said(from_ms)}")
    lives = await asyncio.to_thread(_lives, reader)
    asked = [Asked(one.partition, lives.get(one.partition, (0, -1))[0], one.start) for one in wanted]
    result = RereadResult(secrets.token_hex(8), sum(one.end - one.start for one in wanted), len(wanted))
    result.calls_before = await asyncio.to_thread(_calls, reader)
    await asyncio.to_thread(marks.asked, result.replay_id, by, from_ms, asked)
    progress = progress or Progress()
    progress.records = result.records
    await _until_read(reader, wanted, lives, stall_s, progress)
    found: Counter[str] = Counter()
    for one in wanted:
        life = lives.get(one.partition, (0, -1))[0] + 1
        place = {"partition": one.partition, "incarnation": life, "first": one.start, "end": one.end}
        for outcome, _, count, *_ in await asyncio.to_thread(reader.rows, named_query("outcomes_in_range"), place):
            found[str(outcome)] += int(count)
    result.outcomes = dict(found)
    result.calls = await asyncio.to_thread(_calls, reader)
    return result


async def look(broker_url: str, partitions: int, from_ms: int, kafka: Mapping[str, Any] | None = None) -> list[Stretch]:
    """Where `from_ms` is in each partition's log. Raises `Unavailable`."""
    consumer = AIOKafkaConsumer(bootstrap_servers=broker_url, enable_auto_commit=False, **(kafka or {}))
    found: list[Stretch] = []
    try:
        await consumer.start()
        all_ = [TopicPartition(topics.CALLS, number) for number in range(partitions)]
        first, end = await consumer.beginning_offsets(all_), await consumer.end_offsets(all_)
        starts = await consumer.offsets_for_times(dict.fromkeys(all_, max(0, from_ms)))
        for tp in all_:
            start = starts[tp].offset if starts.get(tp) is not None else end[tp]
            first_ms = None
            if first[tp] < end[tp]:
                consumer.assign([tp])
                consumer.seek(tp, first[tp])
                got = await consumer.getmany(tp, timeout_ms=10_000, max_records=1)
                first_ms = got[tp][0].timestamp if got.get(tp) else None
            found.append(Stretch(tp.partition, first[tp], end[tp], min(max(start, first[tp]), end[tp]), first_ms))
    except KafkaError as error:
        raise Unavailable(f"Kafka at {broker_url}: {error}") from error
    finally:
        await consumer.stop()
    return found


def refuse_short(log: list[Stretch], from_ms: int) -> None:
    """Raise `UsageError` when retention took records that may be younger than `from_ms`."""
    short = [one for one in log if one.first > 0 and (one.first_ms is None or one.first_ms > from_ms)]
    if not short:
        return
    lines = [
        f"  - partition {one.partition} begins at offset {one.first:,}, "
        + (f"{_said(one.first_ms)}" if one.first_ms is not None else "and is empty")
        for one in short
    ]
    latest = max((one.first_ms for one in short if one.first_ms is not None), default=None)
    todo = f"ask for --from {_said(latest + 1)} or later, or take" if latest is not None else "take"
    raise NotPossible(
        f"the log no longer reaches back to {_said(from_ms)}: its retention took older records\n"
        + "\n".join(lines)
        + f"\n{todo} what there is with --as-far-as-it-goes"
    )


async def _until_read(
    reader: Reader, wanted: list[Stretch], lives: Mapping[int, tuple[int, int]], stall_s: float, progress: Progress
) -> None:
    clock: Callable[[], float] = asyncio.get_running_loop().time
    least, since = None, clock()
    while True:
        try:
            now = await asyncio.to_thread(_lives, reader)
            why = ""
        except Unavailable as error:
            now, why = {}, f" ({error})"
        behind = 0
        for one in wanted:
            life, through = now.get(one.partition, (0, -1))
            is_new = life > lives.get(one.partition, (0, -1))[0]
            behind += max(0, one.end - max(one.start, through + 1 if is_new else one.start))
        progress.behind = behind
        if behind == 0 and not why:
            return
        if least is None or behind < least:
            least, since = behind, clock()
        elif clock() - since > stall_s:
            raise Unavailable(
                f"{counted(behind, 'record')} still to be read again, nothing has moved for {stall_s:.0f} s{why}: "
                "is a worker running on this broker and this ledger? The request stands: workers read again when they "
                "start"
            )
        await asyncio.sleep(POLL_S)


def _lives(reader: Reader) -> dict[int, tuple[int, int]]:
    return {int(p): (int(i), int(t)) for p, i, t in reader.rows(named_query("reread_lives"))}


def _calls(reader: Reader) -> int:
    [[calls, *_]] = reader.rows(named_query("ledger_totals"))
    return int(calls)


def _said(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
