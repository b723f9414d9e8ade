"""What the watcher keeps in ClickHouse: changes once, fenced; checkpoints; what it reads of the ledger."""

from __future__ import annotations

from dataclasses import replace

import pytest

from streams.detect.incident import snapshot
from streams.errors import Fenced
from streams.ledger.store import LedgerStore
from streams.meter.rows import ledger_table
from streams.watch.fold import Change, Place, Watch
from streams.watch.order import Gap
from streams.watch.record import END
from streams.watch.states import RootState
from streams.watch.store import WatchStore
from streams.watch.told import incidents_between, incidents_of, progress_text, read_progress
from tests.fakes import BASE_MS, Steps, batch_of, call, partition_meter
from tests.unit.watch.calls import story

HERE = Place("acme", "search", "frontier")


@pytest.fixture
def watching(store: LedgerStore) -> WatchStore:
    return WatchStore(store.database)


@pytest.fixture(scope="module")
def changes() -> list[Change]:
    """All changes of two incidents."""
    watch = Watch()
    watch.fold(story())
    watch.advance(watch.detector.clock + 3_600_000)
    for one in watch.strangers():
        watch.meet(one.id, HERE, 0)
    return watch.changes()


class Reader:
    def __init__(self, store: WatchStore) -> None:
        self._database = store.database

    def rows(self, sql: str, parameters: object = None, settings: object = None) -> list[list[object]]:
        return [list(row) for row in self._database.rows(sql, parameters)]  # type: ignore[arg-type]


def test_changes_are_rows_once_and_the_view_is_the_last_of_each(watching: WatchStore, changes: list[Change]) -> None:
    epoch = watching.epochs.fence(0, "w")
    half = len(changes) // 2
    watching.incidents.write_changes(changes[:half], 0, epoch, 1_000)
    watching.incidents.write_changes(changes[:half], 0, epoch, 1_000)  # its answer was lost
    watching.incidents.write_changes(changes[half:], 0, epoch, 1_001)
    count = "SELECT count(), uniqExact(incident_id, number) FROM incident_events"
    assert watching.database.rows(count) == [(len(changes), len(changes))]
    last = {one.incident.id: one for one in changes}
    told = {one["id"]: one for one in incidents_between(Reader(watching), 0, 2**42)}
    assert told.keys() == last.keys()
    for id_, one in last.items():
        assert (told[id_]["state"], told[id_]["calls"]) == (one.incident.state, one.incident.calls)
        assert told[id_]["cost_usd"].replace(".", "").lstrip("0") == str(one.incident.cost)
        assert told[id_]["evidence"] == one.incident.evidence
        assert (told[id_]["tenant_id"], told[id_]["team_id"], told[id_]["tier"]) == ("acme", "search", "frontier")
    known = watching.incidents.known_changes(0, 1_000)
    assert {(i, n): c for i, some in known.items() for n, c in some.items()} == {
        (one.incident.id, one.number): one.change for one in changes[half:]
    }
    assert watching.incidents.numbers(list(last), 2**42) == {id_: one.number for id_, one in last.items()}
    assert watching.incidents.last_recorded_ms(0) == 1_001
    assert watching.incidents.last_recorded_ms(1) == 0


def test_running_totals_do_not_add_changes(watching: WatchStore, changes: list[Change]) -> None:
    epoch = watching.epochs.fence(0, "w")
    opened = changes[0]
    watching.incidents.write_changes([opened], 0, epoch, 1_000)
    for at, calls in ((1_001, 50), (1_002, 90)):
        moved = replace(opened, change="updated", incident=replace(snapshot(opened.incident), calls=calls))
        watching.incidents.write_changes([moved], 0, epoch, at)
    assert watching.database.rows("SELECT calls, number, change FROM incidents") == [(90, 1, "updated")]
    watching.database.command("OPTIMIZE TABLE incident_events FINAL")
    rows = watching.database.rows("SELECT number, change, calls FROM incident_events ORDER BY change")
    assert rows == [(1, "opened", opened.incident.calls), (1, "updated", 90)]
    assert watching.incidents.known_changes(0, 0) == {opened.incident.id: {1: "opened"}}


def test_who_was_fenced_writes_nothing(watching: WatchStore, changes: list[Change]) -> None:
    old = watching.epochs.fence(0, "w")
    assert watching.epochs.fence(0, "other") == old + 1
    with pytest.raises(Fenced):
        watching.incidents.write_changes(changes, 0, old, 1_000)
    with pytest.raises(Fenced):
        watching.states.write((), {"fleet": b"x"}, 0, old, 1, 1_000)
    assert watching.database.rows("SELECT count() FROM incident_events") == [(0,)]
    assert watching.states.read_rest(0) == {}
    watching.incidents.write_changes(changes[:1], 1, watching.epochs.fence(1, "w"), 1_000)


def test_checkpoints_keep_the_newest_of_each_key(watching: WatchStore) -> None:
    epoch = watching.epochs.fence(0, "w")
    odd = bytes(range(256)) * 3  # no UTF-8
    watching.states.write(
        [RootState("a", 1, ["a"], ["r1"], False, odd), RootState("b", 2, [], [], True, b"b1")],
        {"fleet": b"f1\xff", "position": b"p1"}, 0, epoch, 1, BASE_MS,
    )  # fmt: skip
    watching.states.write([RootState("b", 0, [], [], False, b"")], {"fleet": b"f2\xfe"}, 0, epoch, 2, BASE_MS)
    assert watching.states.read_rest(0) == {"fleet": b"f2\xfe", "position": b"p1"}
    assert watching.states.read_rest(0, only="position") == {"position": b"p1"}
    assert list(watching.states.read_roots(0)) == [RootState("a", 1, ["a"], ["r1"], False, odd)]
    assert list(watching.states.read_roots(1)) == []


def fill(store: LedgerStore, *, partition: int = 0, first: int = 0, count: int = 6, at_ms: int = BASE_MS) -> None:
    epoch = store.owners().get(partition) or store.fence(partition, "w")
    made = [
        call(
            f"c{partition}-{number}", time=BASE_MS + number * 1_000 + partition, agent_id=f"a{number % 2}", run_id="r",
            tenant_id="acme", team_id=f"t{number % 2}", tier="mid", attempt=2, request_fingerprint="f",
        )
        for number in range(first, first + count)
    ]  # fmt: skip
    batch = batch_of(*made, offset=first, partition=partition)
    metered = Steps(partitions=1).run(partition_meter(partition, epoch=epoch), replace(batch, partition=0))
    metered.partition = partition
    metered.outcome[:] = 1
    columns, table = ledger_table([metered], at_ms)
    store.write(columns, table, f"{partition}-{first}")


def test_what_the_topic_lacks_is_read_from_the_ledger(store: LedgerStore, watching: WatchStore) -> None:
    fill(store, count=6)
    rows = watching.past.gap(Gap(0, (1, 0, END), (1, 4, END)))
    assert [(row.offset, row.call.id) for row in rows] == [(at, f"c0-{at}") for at in range(1, 5)]
    one = rows[0].call
    assert (one.agent_id, one.run_id, one.attempt, one.request_fingerprint, one.status) == ("a1", "r", 2, "f", "ok")
    assert one.parent_agent_id is None
    assert one.cost_pico == 3_500_000_000
    assert [row.offset for row in watching.past.gap(Gap(0, (0, -1, 0), (1, 4, END)), page=2)] == [0, 1]
    assert watching.past.gap(Gap(0, (1, 5, END), (2, -1, END))) == []


def test_all_partitions_are_read_as_they_were_ingested(store: LedgerStore, watching: WatchStore) -> None:
    fill(store, partition=0, count=3, at_ms=BASE_MS)
    fill(store, partition=1, count=3, at_ms=BASE_MS + 5)
    fill(store, partition=0, first=3, count=2, at_ms=BASE_MS + 9)
    assert watching.past.positions() == {0: (1, 4), 1: (1, 2)}
    assert watching.past.oldest_behind({0: (1, 2, END), 1: (1, 2, END)}, {0: (1, 4), 1: (1, 2)}) == BASE_MS
    assert watching.past.oldest_behind({0: (1, 4, END), 1: (1, 2, END)}, {0: (1, 4), 1: (1, 2)}) is None
    rows = watching.past.ingested((BASE_MS, -1, -1, -1, -1))
    assert [row.call.id for row in rows] == ["c0-0", "c0-1", "c0-2", "c1-0", "c1-1", "c1-2", "c0-3", "c0-4"]
    last = rows[3]
    after = (last.ingested_ms, last.partition, last.incarnation, last.offset, last.item)
    assert [row.call.id for row in watching.past.ingested(after, page=3)] == ["c1-1", "c1-2", "c0-3"]
    spread = watching.past.history_hours(0)
    assert spread == [(BASE_MS, 8)]
    past = watching.past.history((BASE_MS, "", ""), BASE_MS + 3_600_000)
    assert [row.call.time for row in past] == sorted(row.call.time for row in past)
    assert watching.past.newest_ms() == BASE_MS + 4_000


def test_an_incident_belongs_where_its_first_abnormal_call_does(
    store: LedgerStore, watching: WatchStore, changes: list[Change]
) -> None:
    fill(store, count=6)
    base = changes[0].incident
    cases = {
        "by-call": replace(base, id="by-call", agent_id="a1", first_call_id="c0-3", first_time=BASE_MS + 3_000),
        "by-run": replace(
            base, id="by-run", agent_id="boss", run_id="r", first_call_id="c0-2", first_time=BASE_MS + 2_000
        ),
        "silent": replace(base, id="silent", agent_id="a0", first_call_id="a0@1", first_time=BASE_MS + 60_000),
        "fleet": replace(base, id="fleet", agent_id="fleet", first_call_id="fleet@1"),
        "unknown": replace(base, id="unknown", agent_id="nobody", run_id=None, first_call_id="x"),
    }
    found = watching.incidents.places(list(cases.values()))
    assert found == {
        "by-call": Place("acme", "t1", "mid"),
        "by-run": Place("acme", "t0", "mid"),
        "silent": Place("acme", "t0", "mid"),
        "fleet": Place(),
        "unknown": Place(),
    }


def test_incidents_of_a_stretch_are_those_that_its_calls_opened(
    store: LedgerStore, watching: WatchStore, changes: list[Change]
) -> None:
    fill(store, count=6)
    base = changes[0]
    epoch = watching.epochs.fence(0, "w")
    made = [
        replace(
            base,
            incident=replace(
                base.incident, id=f"i{number}", opened_by=f"c0-{number}", opened_at=BASE_MS + number * 1_000,
                agent_id="a0",
            ),
        )
        for number in range(6)
    ]  # fmt: skip
    silent = replace(base.incident, id="s", opened_by="a0@7", opened_at=BASE_MS + 2_500, agent_id="a0")
    watching.incidents.write_changes([*made, replace(base, incident=silent)], 0, epoch, 1_000)
    reader = Reader(watching)
    found = incidents_of(reader, {0: (1, 2, 4)})
    assert [one["id"] for one in found] == ["i2", "s", "i3"]
    assert incidents_of(reader, {0: (1, 20, 30)}) == []


def test_progress_says_whether_a_stretch_was_looked_at(watching: WatchStore) -> None:
    reader = Reader(watching)
    assert read_progress(reader) == []
    epoch = watching.epochs.fence(0, "w")
    assert read_progress(reader) == [None]
    watching.states.write((), {"progress": progress_text(False, 500, {0: (1, 9), 1: (2, 3)})}, 0, epoch, 1, BASE_MS)
    [found] = read_progress(reader)
    assert found is not None
    assert found.covers({0: (1, 0, 10), 1: (1, 0, 99)}, 500)
    assert not found.covers({0: (1, 0, 11)}, 500)
    assert not found.covers({0: (1, 0, 10)}, 501), "some may be in hand"
