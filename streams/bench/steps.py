"""CPU of each step of the meter on real batches, one after the other in this process, microseconds a call.

Pure steps by the CPU of their thread; `insert` by that of the process, because the engine works in threads of its own;
`merges` is what the engine still did until it was quiet. `fetch` is not here: the bare aiokafka contender tells it.
The steps do not add up to the worker's figure: event loop, threads and hand-offs between them come on top.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, TypeVar, cast

from schemas.usage import decode_usage
from streams import topics
from streams.bench.load import Load, LoadRecord, records
from streams.config import load_settings
from streams.ledger.client import Database
from streams.ledger.migrate import migrate
from streams.ledger.store import LedgerStore
from streams.meter.decode import decode
from streams.meter.dedupe import IdentityWindow, identities
from streams.meter.emit import usage_records
from streams.meter.price import Pricer
from streams.meter.route import Router
from streams.meter.rows import CallColumns, Metered, ledger_table
from streams.meter.steps import PartitionMeter, measures
from streams.meter.sums import Cells
from streams.meter.tiers import TierMap, load_tiers
from streams.transport import RecordBatch
from streams.usage.windows import Windows

T = TypeVar("T")

_QUIET_S = 5.0


class _Record(NamedTuple):
    offset: int
    timestamp: int
    value: bytes
    headers: tuple[tuple[str, bytes], ...] = ()


class Stopwatch:
    """CPU seconds by step."""

    def __init__(self) -> None:
        self.used: dict[str, float] = {}

    def time(self, step: str, work: Callable[[], T], clock: Callable[[], float] = time.thread_time) -> T:
        """Do `work` and add what it used to `step`."""
        began = clock()
        result = work()
        self.used[step] = self.used.get(step, 0.0) + clock() - began
        return result

    def us_per_call(self, calls: int) -> dict[str, float]:
        """Microseconds a call."""
        return {step: round(used / calls * 1e6, 3) for step, used in self.used.items()}


def measure(calls: int, agents: int, now_ms: int) -> dict[str, float]:
    """Run all steps over a load, after a first flush that is not counted. `now_ms`: epoch ms, for the load's times."""
    settings = load_settings({})
    size, flush = settings.fetch_records, settings.flush_calls
    load = Load(calls + flush, agents)
    source = records(load, now_ms - int(load.calls * 1000 / load.rate))
    batches = list(_batches(source, size, now_ms))
    warm = flush // size
    pure = _Pure(settings.dedupe_window_calls)
    directory = tempfile.mkdtemp(prefix="spendstream-bench-")
    try:
        database = Database(f"chdb://{directory}/ledger", create=True)
        try:
            migrate(database)
            durable = _Durable(database)
            for first in range(0, len(batches), warm):
                group = batches[first : first + warm]
                watch = Stopwatch() if first == 0 else pure.watch
                pure.watch = durable.watch = watch
                for batch in group:
                    pure.run(batch)
                durable.run([pure.metered(batch) for batch in group])
                if first == 0:
                    pure.watch = durable.watch = Stopwatch()
            durable.watch.used["merges"] = _until_quiet()
            counted = sum(len(batch.records) for batch in batches[warm:])
            return durable.watch.us_per_call(counted)
        finally:
            database.close()
    finally:
        shutil.rmtree(directory, ignore_errors=True)


class _Pure:
    """The steps of one partition, taken apart; and put together, for what the durable steps need."""

    def __init__(self, window_calls: int) -> None:
        self.watch = Stopwatch()
        self._router = Router(1)
        self._window = IdentityWindow(window_calls)
        self._pricer = Pricer.default()
        self._tiers: TierMap = load_tiers(None)
        self._meter = PartitionMeter(0, 1, 1, IdentityWindow(window_calls), Cells(1_000_000), None)

    def run(self, batch: RecordBatch) -> None:
        """Time each step."""
        time_it = self.watch.time
        values = [record.value for record in batch.records]
        stamps = [record.timestamp for record in batch.records]
        decoded = time_it("decode", lambda: decode(values, stamps))
        columns = time_it("transpose", lambda: CallColumns(decoded.calls))
        time_it("route", lambda: self._route(columns))
        time_it("dedupe", lambda: self._dedupe(columns))
        time_it("price", lambda: self._price(columns))
        time_it("tier", lambda: self._tier(columns))

    def metered(self, batch: RecordBatch) -> Metered:
        """The whole, untimed."""
        arrived = self._meter.decode(batch, self._router)
        return self._meter.meter(arrived, None, set(), self._pricer, self._tiers)

    def _route(self, columns: CallColumns) -> Any:
        keys = [run or agent for run, agent in zip(columns["run_id"], columns["agent_id"], strict=True)]
        return self._router.misplaced(keys, 0, ())

    def _dedupe(self, columns: CallColumns) -> Any:
        time_ms = columns.ints("time")
        self._window.is_cold(time_ms)
        return self._window.admit(identities(columns["source"], columns["id"]), time_ms)

    def _price(self, columns: CallColumns) -> Any:
        return self._pricer.price(
            columns["provider_name"],
            columns["request_model"],
            columns["response_model"],
            columns.ints("time"),
            columns.ints("input_tokens"),
            columns.ints("output_tokens"),
            columns.ints("cache_read_input_tokens"),
            columns.ints("cache_write_input_tokens"),
        )

    def _tier(self, columns: CallColumns) -> Any:
        return self._tiers.tiers(
            columns["tier"], columns["provider_name"], columns["request_model"], columns["response_model"]
        )


class _Durable:
    """The steps of a flush."""

    def __init__(self, database: Database) -> None:
        self.watch = Stopwatch()
        self._store = LedgerStore(database)
        self._meter = PartitionMeter(0, 1, self._store.fence(0, "bench"), IdentityWindow(1), Cells(1_000_000), None)
        self._router = Router(1)
        self._windows = Windows({"1s": 900, "1m": 360, "1h": 48})
        self._flushes = 0

    def run(self, batches: Sequence[Metered]) -> None:
        """Time each step of one flush."""
        self._flushes += 1
        time_it = self.watch.time
        ingested_ms = time.time_ns() // 1_000_000
        columns, data = time_it("arrow", lambda: ledger_table(batches, ingested_ms))
        token = f"bench {self._flushes}"
        time_it("insert", lambda: self._store.write(columns, data, token), time.process_time)
        through = int(batches[-1].offset[-1])
        encoded: list[bytes] = []
        for batch in batches:
            touched = time_it("sums", lambda batch=batch: self._meter.cells.add(*measures(batch)))  # type: ignore[misc]
            encoded += time_it(
                "publish",
                lambda touched=touched: [v for _, v in usage_records(self._meter, through, touched, self._router)],  # type: ignore[misc]
            )
        for value in encoded:
            time_it("usage", lambda value=value: self._windows.apply(decode_usage(value)))  # type: ignore[misc]


def _batches(source: Iterator[LoadRecord], size: int, now_ms: int) -> Iterator[RecordBatch]:
    held: list[_Record] = []
    for offset, record in enumerate(source):
        held.append(_Record(offset, now_ms, record.value))
        if len(held) == size:
            yield RecordBatch(topics.CALLS, 0, cast(Any, held), None, None)
            held = []
    if held:
        yield RecordBatch(topics.CALLS, 0, cast(Any, held), None, None)


def _until_quiet() -> float:
    """CPU seconds of this process until it uses less than a hundredth of a core for a second, at most `_QUIET_S`."""
    began = last = time.process_time()
    for _ in range(int(_QUIET_S)):
        time.sleep(1.0)
        now = time.process_time()
        if now - last < 0.01:
            break
        last = now
    return time.process_time() - began
