"""The ledger on the real engine, compared with plain recomputation from the calls that were written."""

from __future__ import annotations

import json
import random
import shutil
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from schemas.call import DURATION_MAX_MS, TOKENS_MAX, Call
from schemas.times import EARLIEST_MS, LATEST_MS
from streams.errors import LedgerError, Unavailable
from streams.ledger.client import Database
from streams.ledger.migrate import migrate
from streams.ledger.store import LedgerStore
from streams.meter.dedupe import identities
from streams.meter.pages import MEASURES, pico_usd
from streams.meter.route import Router
from streams.meter.rows import Metered, ledger_table
from streams.meter.steps import PartitionMeter
from streams.meter.sums import CellKey
from streams.money import PICO
from streams.transport import RecordBatch
from streams.usage.windows import SIZES
from tests.fakes import BASE_MS, Steps, batch, batch_of, call, partition_meter, record, value

INGESTED = 1_790_000_000_000


@pytest.fixture(scope="module")
def steps() -> Steps:
    return Steps()


@dataclass
class Writer:
    """Takes batches through the steps into the ledger, as the meter does."""

    store: LedgerStore
    steps: Steps
    meters: dict[int, PartitionMeter] = field(default_factory=dict)
    flushes: int = 0

    def meter(self, partition: int = 0, incarnation: int = 1) -> PartitionMeter:
        if partition not in self.meters:
            epoch = self.store.fence(partition, "writer")
            self.meters[partition] = partition_meter(partition, epoch=epoch, incarnation=incarnation)
        return self.meters[partition]

    def metered(self, taken: RecordBatch) -> Metered:
        return self.steps.run(self.meter(taken.partition), taken)

    def write(self, *batches: RecordBatch, token: str | None = None) -> list[Metered]:
        self.flushes += 1
        metered = [self.metered(one) for one in batches]
        columns, table = ledger_table(metered, INGESTED)
        self.store.write(columns, table, token or f"flush {self.flushes}")
        return metered


@pytest.fixture
def writer(store: LedgerStore, steps: Steps) -> Writer:
    return Writer(store, steps)


def only(database: Database, sql: str) -> Any:
    return database.rows(sql)[0][0]


# -- what is written is what is read ---------------------------------------------------------------------------------

LONG = "\u2603\U0001f600'\\\"\n\t{x}`" * 25
FULL: dict[str, Any] = {
    "id": "i" * 128,
    "source": LONG[:256],
    "time": "2026-03-02T00:00:00.123Z",
    "agent_id": "agent 'quoted' \\ \n",
    "request_model": "gpt-4o",
    "provider_name": "openai",
    "input_tokens": TOKENS_MAX,
    "output_tokens": TOKENS_MAX,
    "cache_read_input_tokens": 1,
    "cache_write_input_tokens": 2,
    "reasoning_output_tokens": TOKENS_MAX,
    "attempt": 1_000_000,
    "status": "rate_limited",
    "http_status": 429,
    "latency_ms": DURATION_MAX_MS,
    "time_to_first_token_ms": 0.125,
    "reported_cost": "999999.999999999999",
    "tier": "oss",
    "task_class": "complex",
    "escalated_from": "mid",
    "decision": "escalate",
    "tags": {"k" * 128: "v" * 1024, "\u2603": "", "quote'\\": "\t\n"},
}
FULL |= {name: f"{name} {LONG}"[:128] for name in Call.model_fields if name not in FULL}


def test_every_field_survives_at_its_largest(writer: Writer, database: Database) -> None:
    writer.write(batch_of(FULL))
    names, (row,) = database.table(f"SELECT {', '.join(FULL)} FROM calls")
    found = dict(zip(names, row, strict=True))
    expected = FULL | {
        "time": datetime(2026, 3, 2, 0, 0, 0, 123_000),  # noqa: DTZ001 (the client's way to say UTC)
        "reported_cost": Decimal("999999.999999999999"),
        "latency_ms": float(DURATION_MAX_MS),
    }
    assert found == expected


def test_absent_is_null_or_empty_and_zero_is_zero(writer: Writer, database: Database) -> None:
    """Beside a full call in one insert, and alone: the same row."""
    bare = call("bare", request_model="no-such-model")
    del bare["provider_name"]
    zero = call("zero", input_tokens=0, output_tokens=0, latency_ms=0, reported_cost="0", http_status=0, tags={})
    writer.write(batch_of(FULL, bare, zero))
    writer.write(batch_of({**bare, "source": "alone"}, offset=3))
    sql = "SELECT * EXCEPT (id, source, offset, item) FROM calls WHERE id = 'bare' ORDER BY source"
    names, rows = database.table(sql)
    assert rows[0] == rows[1]
    row = dict(zip(names, rows[0], strict=True))
    assert [row[name] for name in ("latency_ms", "time_to_first_token_ms", "reported_cost", "cost_usd")] == [None] * 4
    assert (row["run_id"], row["tenant_id"], row["tags"], row["attempt"], row["http_status"]) == ("", "", {}, 0, 0)
    assert (row["tier"], row["status"], row["price_status"]) == ("unknown", "ok", "unknown_seller") or row[
        "price_status"
    ].startswith("unknown")
    found = database.rows("SELECT latency_ms, reported_cost, cost_usd, price_status FROM calls WHERE id = 'zero'")
    assert found == [(0.0, Decimal(0), Decimal(0), "priced")]


@pytest.mark.parametrize("cost", ["0", "0.000000000001", "0.1", "1", "123456.000000000001", "999999.999999999999"])
def test_reported_costs_are_exact(writer: Writer, database: Database, cost: str) -> None:
    writer.write(batch_of(call("a", reported_cost=cost)))
    assert only(database, "SELECT reported_cost FROM calls") == Decimal(cost)


def test_outcomes_have_their_views(writer: Writer, database: Database) -> None:
    values = [value(call("a"), call("b")), value(call("a")), b"{no", value(call("c", input_tokens=-5)), None]
    records = [record(raw, 10 + at) for at, raw in enumerate(values)]
    writer.write(batch([*records, record(value(call("d")), 20)], 8))
    assert database.rows("SELECT id, offset, item FROM calls ORDER BY offset, item") == [
        ("a", 10, 0),
        ("b", 10, 1),
        ("d", 20, 0),
    ]
    assert database.rows("SELECT id, offset FROM duplicates") == [("a", 11)]
    rejects = database.rows("SELECT offset, reason, payload FROM rejects ORDER BY offset")
    assert [(offset, reason) for offset, reason, _ in rejects] == [
        (12, "not_json"),
        (13, "out_of_range"),
        (14, "empty"),
    ]
    assert rejects[0][2] == "{…"  # the shape of what is no JSON, never its text
    assert json.loads(rejects[1][2])["id"] == "c"
    gaps = database.rows("SELECT offset, through FROM intake WHERE outcome = 'gap' ORDER BY offset")
    assert gaps == [(8, 9), (15, 19)]


def test_the_hour_roll_up_equals_the_calls(writer: Writer, database: Database) -> None:
    chance = random.Random(5)
    calls = [
        call(str(n), time=BASE_MS + chance.randrange(10 * 3_600_000), team_id=chance.choice(["x", "y"]))
        | chance.choice([{}, {"status": "error"}, {"request_model": "none"}, {"id": "0", "time": BASE_MS}])
        for n in range(300)
    ]
    writer.write(batch_of(*calls))
    names = "hour, team_id, request_model"
    plain = database.rows(
        f"SELECT {names}, count(), sum(input_tokens), sum(cost_usd), countIf(cost_usd IS NULL), "
        f"countIf(status != 'ok') "
        f"FROM calls GROUP BY {names} ORDER BY {names} SETTINGS optimize_use_projections = 0"
    )
    rolled = database.rows(
        f"SELECT {names}, calls, input_tokens, cost_usd, unpriced, errors FROM spend_by_hour ORDER BY {names}"
    )
    assert rolled == plain
    assert sum(row[3] for row in plain) == len({(one["id"], one["time"]) for one in calls})


# -- written once, by the owner only ---------------------------------------------------------------------------------


def test_the_same_insert_again_writes_nothing(writer: Writer, database: Database) -> None:
    """As after a lost answer: the same bytes with the same token, also after other inserts in between."""
    metered = writer.metered(batch_of(call("a"), call("b")))
    columns, table = ledger_table([metered], INGESTED)
    for _ in range(3):
        writer.store.write(columns, table, "token")
    writer.write(batch_of(call("c"), offset=2))
    writer.store.write(columns, table, "token")
    assert only(database, "SELECT count() FROM intake") == 3
    assert database.rows("SELECT sum(calls), sum(cost_usd) FROM spend_by_hour") == [(3, Decimal("0.0105"))]


def test_another_token_is_another_insert(writer: Writer, database: Database) -> None:
    metered = writer.metered(batch_of(call("a")))
    columns, table = ledger_table([metered], INGESTED)
    writer.store.write(columns, table, "one")
    writer.store.write(columns, table, "two")
    assert only(database, "SELECT count() FROM intake") == 2


def test_rows_of_a_fenced_epoch_are_not_written_those_of_others_are(writer: Writer, database: Database) -> None:
    mine, lost = writer.metered(batch_of(call("a"))), writer.metered(batch([record(b"{", 0, partition=1)], 0))
    later = writer.store.fence(1, "another")
    columns, table = ledger_table([mine, lost], INGESTED)
    writer.store.write(columns, table, "t")
    assert database.rows("SELECT partition, offset FROM intake") == [(0, 0)]
    assert writer.store.owners() == {0: mine.epoch, 1: later}


def test_a_lost_answer_and_a_fence_in_between_write_once(writer: Writer, database: Database) -> None:
    metered = writer.metered(batch_of(call("a")))
    columns, table = ledger_table([metered], INGESTED)
    writer.store.write(columns, table, "t")
    writer.store.fence(0, "another")
    writer.store.write(columns, table, "t")
    assert only(database, "SELECT count() FROM intake") == 1


def test_an_empty_insert_is_a_mistake(store: LedgerStore, writer: Writer) -> None:
    columns, table = ledger_table([writer.metered(batch_of(call("a")))], INGESTED)
    with pytest.raises(LedgerError, match="empty"):
        store.write(columns, table.slice(0, 0), "t")


def test_a_disk_that_is_nearly_full_is_waited_for(writer: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The embedded engine may acknowledge what it could not write: it is not asked to."""
    real = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: real._replace(free=10 << 20))
    with pytest.raises(Unavailable, match="10 MiB are free"):
        writer.write(batch_of(call("a")), token="t")
    monkeypatch.undo()
    writer.write(batch_of(call("a")), token="t")
    assert only(writer.store.database, "SELECT count() FROM intake") == 1


def test_fences_rise_and_are_apart_by_partition(store: LedgerStore) -> None:
    assert [store.fence(0, "a"), store.fence(0, "b"), store.fence(7, "a"), store.fence(0, "a")] == [1, 2, 1, 3]
    store.record_start(0, 3, 1, 55, "a", "note")
    assert store.owners() == {0: 3, 7: 1}


def test_two_workers_that_fence_at_once_get_different_epochs(store: LedgerStore) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(4) as pool:
        epochs = list(pool.map(lambda worker: store.fence(0, f"w{worker}"), range(4)))
    assert len(set(epochs)) == 4


def test_nothing_waits_for_inserts_when_there_are_none(store: LedgerStore) -> None:
    store.wait_for_inserts(timeout_s=0.0)


# -- position --------------------------------------------------------------------------------------------------------


def test_no_position_in_an_empty_ledger(store: LedgerStore) -> None:
    assert store.position(0) is None
    assert store.newest_ms() == 0
    assert store.recent_identities(0, 10).id == []
    assert store.touched_cells(0, 1, 0) == []
    assert store.usage_windows(60, 0, 10**9, None) == []


def test_the_position_is_the_last_row_of_the_last_record(writer: Writer) -> None:
    writer.write(batch_of(call("a", time=BASE_MS + 9_000), call("b")), batch([record(b"{", 3, partition=1)], 3))
    last = record(value(call("c", time=BASE_MS - 1), call("d", time=BASE_MS - 2)), 2, timestamp=BASE_MS + 5)
    writer.write(batch([last], 2))
    position = writer.store.position(0)
    assert position is not None
    assert (position.incarnation, position.through, position.newest_ms) == (1, 2, BASE_MS + 9_000)
    witness = position.witness
    assert (witness.item, witness.id, witness.arrived_at_ms, witness.outcome) == (1, "d", BASE_MS + 5, "call")
    other = writer.store.position(1)
    assert other is not None
    assert (other.through, other.witness.outcome, other.newest_ms) == (3, "reject", 0)
    assert writer.store.newest_ms() == BASE_MS + 9_000
    assert writer.store.position(2) is None


def test_a_new_incarnation_counts_from_its_own_offsets(writer: Writer) -> None:
    writer.write(batch_of(call("a"), offset=1000))
    writer.meters[0].incarnation = 2
    writer.write(batch_of(call("b"), offset=0))
    position = writer.store.position(0)
    assert position is not None
    assert (position.incarnation, position.through, position.newest_ms) == (2, 0, BASE_MS)


def test_a_record_without_a_timestamp_is_a_witness_all_the_same(writer: Writer) -> None:
    writer.write(batch([record(value(call("a")), 0, timestamp=-1)], 0))
    position = writer.store.position(0)
    assert position is not None
    assert position.witness.arrived_at_ms == -1


# -- duplicates ------------------------------------------------------------------------------------------------------


def test_present_finds_calls_and_nothing_else(writer: Writer) -> None:
    names = ["plain", "it's", "back\\slash", "tab\there", "new\nline", "\u2603", "{x}", "%s", "\\N"]
    calls = [call(f"id {name}", source=name, time=BASE_MS + 7_000_000 * at) for at, name in enumerate(names)]
    calls.append(call("no source", time=BASE_MS - 1))
    (metered,) = writer.write(batch_of(*calls))
    writer.write(batch([record(value(call("rejected", output_tokens=-1)), 99)]))
    known = writer.store.present(metered.identity, np.array([one["time"] for one in calls]))
    assert known == {(one.get("source", ""), one["id"]) for one in calls}
    others = identities(["x", None], ["id plain", "rejected"])[:, 0]
    assert writer.store.present(others, np.array([BASE_MS, BASE_MS])) == set()
    # Contract law says that a copy keeps its time; another hour is another call.
    assert writer.store.present(metered.identity[:1], np.array([BASE_MS + 3_600_000])) == set()
    assert writer.store.present(metered.identity[:0], np.zeros(0, dtype=np.int64)) == set()


def test_present_in_chunks(writer: Writer) -> None:
    calls = [call(str(n), time=BASE_MS + n) for n in range(12_000)]
    (metered,) = writer.write(batch_of(*calls))
    times = np.array([one["time"] for one in calls])
    assert len(writer.store.present(metered.identity, times)) == 12_000


FAR = [EARLIEST_MS, EARLIEST_MS + 999, LATEST_MS - 1_001, LATEST_MS - 1]
"""The ends of the contract: within the engine's 32 bits of seconds."""


def test_times_at_the_ends_of_the_contract_are_times_like_others(writer: Writer) -> None:
    records = [record(value(call(str(ms), time=ms, agent_id="far")), at, timestamp=ms) for at, ms in enumerate(FAR)]
    (metered,) = writer.write(batch(records, 0))
    tier = metered.tier.texts[metered.tier.codes[0]]
    assert writer.store.present(metered.identity, np.array(FAR)) == {("", str(ms)) for ms in FAR}
    counts = {EARLIEST_MS // 1000: 2, LATEST_MS // 1000 - 2: 1, LATEST_MS // 1000 - 1: 1}
    keys = [CellKey("far", tier, second) for second in counts]
    assert sorted(writer.store.touched_cells(0, 1, 0), key=lambda key: key.second) == keys
    assert writer.store.cell_totals(0, keys)[:, 0].tolist() == list(counts.values())
    for second, count in counts.items():
        rows = writer.store.usage_windows(1, second, second + 1, "far")
        assert [(row.start, row.totals[0]) for row in rows] == [(second, count)]


@pytest.mark.parametrize("at", [0, 1, 59_000, 59_001, 59_999])
def test_a_window_whose_calls_all_lie_in_its_last_second(writer: Writer, at: int) -> None:
    """The engine prunes parts wrongly when a DateTime64 is compared with a DateTime: such windows were empty."""
    (metered,) = writer.write(batch_of(*[call(str(n), time=BASE_MS + at) for n in range(3)]))
    tier = metered.tier.texts[metered.tier.codes[0]]
    assert [row.totals[0] for row in writer.store.usage_windows(60, BASE_MS // 1000, BASE_MS // 1000 + 60, None)] == [3]
    assert writer.store.cell_totals(0, [CellKey("agent", tier, (BASE_MS + at) // 1000)])[0, 0] == 3


def test_recent_identities_are_the_newest_and_say_from_when_they_are_complete(writer: Writer) -> None:
    chance = random.Random(7)
    calls = [
        call(str(n), source=chance.choice(["a", "b"]), time=BASE_MS + chance.randrange(6 * 3_600_000))
        for n in range(500)
    ]
    writer.write(batch_of(*calls), batch_of(call("other partition"), partition=1))
    everything = writer.store.recent_identities(0, 10_000)
    assert everything.complete_from_minute == 0
    assert sorted(everything.id, key=int) == [str(n) for n in range(500)]
    for capacity in (1, 37, 200, 499):
        recent = writer.store.recent_identities(0, capacity)
        complete = recent.complete_from_minute * 60_000
        expected = {(one["source"], one["id"], one["time"]) for one in calls if one["time"] >= complete}
        found = list(zip(recent.source, recent.id, recent.time_ms.tolist(), strict=True))
        assert {one for one in found if one[2] >= complete} == expected
        assert len(found) <= capacity, "a worker that restarts must not need more memory than it was given"
        assert len(found) >= capacity // 2
        assert complete > 0


def test_recent_identities_of_one_busy_hour_stay_within_capacity(writer: Writer) -> None:
    calls = [call(str(n), time=BASE_MS + n * 1000) for n in range(600)]
    writer.write(batch_of(*calls))
    recent = writer.store.recent_identities(0, 100)
    assert 0 < len(recent.id) <= 100
    # 60 calls a minute: one minute fits into 100.
    assert (len(recent.id), recent.complete_from_minute) == (60, BASE_MS // 60_000 + 9)
    none = writer.store.recent_identities(0, 59)
    assert (none.id, none.complete_from_minute) == ([], BASE_MS // 60_000 + 10)
    some = writer.store.recent_identities(0, 600)
    assert (len(some.id), some.complete_from_minute) == (600, 0)


def test_recent_identities_after_partitions_were_added(store: LedgerStore) -> None:
    """What another number of partitions had put elsewhere is known where its copies come now."""
    calls = [call(str(n), agent_id=f"agent {n}", run_id=None, time=BASE_MS + n * 60_000) for n in range(200)]

    def home(router: Router, partition: int) -> set[str]:
        return {one["id"] for one in calls if router.partition(one["agent_id"]) == partition}

    before, after = Router(2), Router(3)
    writer = Writer(store, Steps(partitions=2))
    for partition in range(2):
        store.record_start(partition, writer.meter(partition).epoch, 1, 0, "w", "", 2)
        writer.write(batch_of(*(one for one in calls if one["id"] in home(before, partition)), partition=partition))

    def known(partition: int, partitions: int) -> set[str]:
        return set(store.recent_identities(partition, 1000, partitions).id)

    assert known(0, 2) == home(before, 0), "nothing changed"
    for partition in range(3):
        assert known(partition, 3) >= home(after, partition)
    assert known(2, 3) == home(after, 2), "a new partition has nothing of its own"
    few = store.recent_identities(2, 20, 3)
    assert few.complete_from_minute > 0
    newest = {one["id"] for one in calls if one["time"] >= few.complete_from_minute * 60_000}
    assert set(few.id) == home(after, 2) & newest
    assert few.id


# -- sums ------------------------------------------------------------------------------------------------------------

AGENTS = ["a", "it's", "back\\slash", "tab\there", "\u2603", "{x:String}", "a,b", "\\N"]


def traffic(count: int, seed: int = 3) -> list[dict[str, Any]]:
    chance = random.Random(seed)
    return [
        call(
            str(n),
            agent_id=chance.choice(AGENTS),
            time=BASE_MS + chance.randrange(3 * 3_600_000),
            input_tokens=chance.randrange(100, 10**6),
            output_tokens=chance.randrange(100, 1000),
        )
        | chance.choice(
            [
                {},
                {"status": "error"},
                {"request_model": "none"},
                {"tier": "oss"},
                {"cache_read_input_tokens": 50, "cache_write_input_tokens": 9, "reasoning_output_tokens": 7},
            ]
        )
        for n in range(count)
    ]


def plain_sums(batches: list[Metered], size: int) -> dict[tuple[str, str, int], list[int]]:
    """By (agent, tier, start): MEASURES with the cost as one number at the end, in plain Python."""
    sums: dict[tuple[str, str, int], list[int]] = defaultdict(lambda: [0] * (len(MEASURES) - 1))
    for metered in batches:
        columns = metered.columns
        for at, outcome in enumerate(metered.outcome.tolist()):
            if outcome != 1:
                continue
            tier = metered.tier.texts[metered.tier.codes[at]]
            row = sums[columns["agent_id"][at], tier, columns["time"][at] // 1000 // size * size]
            more = [1, columns["status"][at] != "ok"]
            more += [columns[name][at] or 0 for name in MEASURES[2:7]]
            more += [not metered.priced[at], int(metered.cost_pico[at]) if metered.priced[at] else 0]
            row[:] = [a + int(b) for a, b in zip(row, more, strict=True)]
    return dict(sums)


def test_cells_and_windows_equal_a_recomputation(writer: Writer) -> None:
    calls = traffic(800)
    batches = writer.write(batch_of(*calls[:500]), batch_of(*calls[100:200], offset=500))
    batches += writer.write(batch_of(*calls[500:], offset=600))
    cells = plain_sums(batches, 1)
    keys = [CellKey(*key) for key in cells] + [CellKey("nobody", "mid", BASE_MS // 1000)]
    random.Random(1).shuffle(keys)
    totals = writer.store.cell_totals(0, keys)
    for key, row in zip(keys, totals.tolist(), strict=True):
        expected = cells.get((key.agent_id, key.tier, key.second), [0] * (len(MEASURES) - 1))
        assert [*row[:-2], pico_usd(row)] == expected
        assert 0 <= row[-1] < PICO
    assert writer.store.cell_totals(1, keys).sum() == 0, "cells are of one partition"
    assert {(k.agent_id, k.tier, k.second) for k in writer.store.touched_cells(0, 1, 0)} == set(cells)
    for size in SIZES.values():
        windows = plain_sums(batches, size)
        first, end = BASE_MS // 1000 + 1800, BASE_MS // 1000 + 9000
        for agent in (None, "it's", "nobody"):
            rows = writer.store.usage_windows(size, first, end, agent)
            found = {(row.agent_id, row.tier, row.start): [*row.totals[:-2], pico_usd(row.totals)] for row in rows}
            assert found == {
                key: row for key, row in windows.items() if first <= key[2] < end and agent in (None, key[0])
            }
            assert [(row.start, row.agent_id, row.tier) for row in rows] == sorted(
                (row.start, row.agent_id, row.tier) for row in rows
            )


def test_touched_cells_begin_at_the_committed_offset(writer: Writer) -> None:
    calls = traffic(50)
    writer.write(batch_of(*calls))
    expected = {(one["agent_id"], one["time"] // 1000) for one in calls[30:]}
    assert {(key.agent_id, key.second) for key in writer.store.touched_cells(0, 1, 30)} == expected
    assert writer.store.touched_cells(0, 1, 50) == []
    assert writer.store.touched_cells(0, 2, 0) == []


def test_sums_beyond_64_bits_of_pico_dollars(writer: Writer) -> None:
    dear = call("x", input_tokens=TOKENS_MAX, output_tokens=TOKENS_MAX, request_model="o1-pro")
    (metered,) = writer.write(batch_of(*[dear | {"id": str(n)} for n in range(40)]))
    assert bool(metered.priced.all())
    total = int(metered.cost_pico[0]) * 40
    assert total > 2**63
    second = BASE_MS // 1000
    (window,) = writer.store.usage_windows(1, second, second + 1, None)
    assert pico_usd(window.totals) == total
    cells = writer.store.cell_totals(0, [CellKey("agent", str(window.tier), second)])
    assert pico_usd(cells[0].tolist()) == total


def test_migrating_again_keeps_the_rows(writer: Writer, database: Database) -> None:
    writer.write(batch_of(call("a")))
    assert migrate(database) == []
    assert only(database, "SELECT count() FROM calls") == 1


def test_instants_are_utc(writer: Writer, database: Database) -> None:
    writer.write(batch_of(call("a", time="2026-03-02T02:00:00+02:00")))
    (row,) = database.rows("SELECT toUnixTimestamp64Milli(time), toUnixTimestamp(hour) FROM calls")
    assert row == (BASE_MS, BASE_MS // 1000)
    assert datetime.fromtimestamp(BASE_MS / 1000, UTC).hour == 0
