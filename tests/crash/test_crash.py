"""Nothing lost, nothing doubled: 500,000 calls through workers that die at every named point and at random moments.

`SPENDSTREAM_CRASH_CALLS` sets how many distinct calls; below 200,000 each kind of death comes once (with three random
kills), from there on at least twenty kills are done. The ledger is not compared with sums only: each record of the
topic, read from outside, must have become exactly the rows that the traffic says, and the usage topic, read from
outside, must give the ledger's sums in every cell.
"""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest

from streams import killpoints
from tests.crash.evidence import (
    Evidence,
    Expected,
    Place,
    Row,
    expected_calls,
    expected_rows,
    expected_usage,
    first_differences,
    gather,
)
from tests.crash.outside import Cell
from tests.crash.storm import Death, landed

pytestmark = pytest.mark.crash

CALLS = int(os.environ.get("SPENDSTREAM_CRASH_CALLS", "500000"))
FULL_FROM = 200_000
PICO = 10**12


@pytest.fixture(scope="module")
def evidence(tmp_path_factory: pytest.TempPathFactory) -> Evidence:
    """The storm, once for all checks."""
    root: Path = tmp_path_factory.mktemp("storm")
    return gather(root, CALLS, full=CALLS >= FULL_FROM)


@pytest.fixture(scope="module")
def rows(evidence: Evidence) -> dict[Place, Row]:
    """What each place of the log must have become."""
    return expected_rows(evidence.log, evidence.traffic)


@pytest.fixture(scope="module")
def calls(evidence: Evidence) -> list[Expected]:
    """What each distinct call must be."""
    return expected_calls(evidence.traffic)


def _deaths(evidence: Evidence, kind: str) -> Iterator[tuple[int, Death]]:
    return ((at, death) for at, death in enumerate(evidence.deaths) if death.kind.partition(":")[0] == kind)


# -- the deaths were what they should be -------------------------------------------------------------------------


def test_every_kill_point_was_hit(evidence: Evidence) -> None:
    for at, death in _deaths(evidence, "point"):
        wanted = death.kind.partition(":")[2]
        assert death.code == -signal.SIGKILL, (death.kind, death.code)
        assert death.marker == wanted, f"life {at} was to die at {wanted}; its marker says {death.marker!r}"
        assert evidence.rows_of(death) > 0 or wanted == "insert.before", f"life {at} died at {wanted} before any work"
        assert landed(evidence.deaths, at), f"life {at} died at {wanted}, but not in mid-work"
    assert {death.marker for _, death in _deaths(evidence, "point")} == set(killpoints.POINTS)


def test_random_kills_landed_in_mid_work(evidence: Evidence) -> None:
    hits = [death for at, death in _deaths(evidence, "random") if landed(evidence.deaths, at)]
    assert all(evidence.rows_of(death) for death in hits)
    assert len(hits) >= (5 if evidence.full else 3)
    assert all(death.code == -signal.SIGKILL and not death.marker for death in hits)


def test_there_were_enough_kills(evidence: Evidence) -> None:
    kills = Counter(death.kind for death in evidence.deaths if death.code == -signal.SIGKILL)
    assert sum(kills.values()) >= (20 if evidence.full else 14), kills
    assert {"startup", "waiting", "unflushed", "interrupted"} <= set(kills)


def test_kills_in_quick_succession(evidence: Evidence) -> None:
    kinds = [death.kind for death in evidence.deaths]
    pairs = [(before, kind) for before, kind in pairwise(kinds) if kind == "startup"]
    assert pairs
    assert all(before in ("random", "startup") for before, _ in pairs)


def test_a_waiting_meter_was_killed_between_insert_and_acknowledgement(evidence: Evidence) -> None:
    found = [death for _, death in _deaths(evidence, "waiting")]
    assert found
    for death in found:
        assert evidence.rows_of(death) > death.seen["spendstream_ledger_rows_total"]


def test_calls_that_were_taken_and_not_written_are_read_again(evidence: Evidence) -> None:
    for _, death in _deaths(evidence, "unflushed"):
        assert death.seen["spendstream_records_total"] > 0
        assert evidence.rows_of(death) == 0


def test_a_graceful_stop_leaves_nothing_to_repeat(evidence: Evidence) -> None:
    found = list(_deaths(evidence, "graceful"))
    assert found
    for at, death in found:
        after = next(later for later in evidence.deaths[at + 1 :] if later.starts)
        assert death.code == 0
        assert evidence.rows_of(death) > 0
        for partition, start in death.starts.items():
            went_on = after.starts[partition]
            # What it never read a record of stays as it found it.
            assert death.committed.get(partition) == went_on or went_on == start, (at, partition)
            assert not after.repeated[partition] or went_on == start, (at, partition)


# -- the ledger ----------------------------------------------------------------------------------------------------


def test_the_topic_holds_what_was_published(evidence: Evidence) -> None:
    published = [record for record in evidence.log if not record.moved]
    assert len(published) == evidence.traffic.records
    assert sum(len(record.parts) for record in published) == evidence.traffic.parts
    assert len(evidence.traffic.calls) >= CALLS


def test_positions_are_dense_and_unique(evidence: Evidence) -> None:
    offsets: dict[int, list[int]] = {}
    for record in evidence.log:
        offsets.setdefault(record.partition, []).append(record.offset)
    for partition, of_partition in offsets.items():
        assert sorted(of_partition) == list(range(len(of_partition))), partition
    assert set(evidence.ledger["incarnation"].to_pylist()) == {1}
    places = _places(evidence)
    assert len(places) == len(set(places)), [place for place, count in Counter(places).items() if count > 1][:5]
    expected = {(r.partition, r.offset, item): 1 for r in evidence.log for item in range(len(r.parts))}
    assert not first_differences(expected, dict.fromkeys(places, 1))


def test_each_part_of_each_record_is_its_one_row(evidence: Evidence, rows: dict[Place, Row]) -> None:
    number = {(call.get("source") or "", call["id"]): at for at, call in enumerate(evidence.traffic.calls)}
    table = evidence.ledger
    found = {
        place: Row(outcome, reason if outcome == "reject" else number.get((source, id_), f"{source}/{id_}"))
        for place, outcome, source, id_, reason in zip(
            _places(evidence), *(table[name].to_pylist() for name in ("outcome", "source", "id", "reason")), strict=True
        )
    }
    assert not first_differences(rows, found)


def test_conservation(evidence: Evidence, rows: dict[Place, Row]) -> None:
    """What the counts must be follows from what was published and from how often calls were sent on.

    Each misplaced copy is one `moved` row and is sent on once, and once more for each crash between sending and
    insert (`resent`); each copy that arrives in place is the call or a duplicate.
    """
    outcomes = Counter(evidence.ledger["outcome"].to_pylist())
    parts = [part for record in evidence.log if not record.moved for part in record.parts]
    rejects = sum(isinstance(part, str) for part in parts)
    sent_on = sum(len(record.parts) for record in evidence.log if record.moved)
    moved = sum(row.outcome == "moved" for row in rows.values())
    distinct = len(evidence.traffic.calls)
    resent = sent_on - moved
    assert resent >= 0
    assert outcomes == {
        "call": distinct,
        "reject": rejects,
        "moved": moved,
        "duplicate": len(parts) - rejects - distinct + resent,
    }
    assert sum(outcomes.values()) == evidence.traffic.parts + sent_on
    for outcome in ("reject", "moved", "duplicate"):
        assert outcomes[outcome] > distinct // 200, "the traffic has too little of it to prove anything"


def test_calls_tokens_and_cost_are_exact(evidence: Evidence, calls: list[Expected]) -> None:
    fields = ("agent_id", "provider_name", "request_model", "input_tokens", "output_tokens")
    counts = ("cache_read_input_tokens", "cache_write_input_tokens", "reasoning_output_tokens")
    expected = {
        (call.get("source") or "", call["id"]): (
            known.partition, call["time_ms"], known.tier, call.get("run_id") or "", call.get("status", "ok"),
            None if known.cost_pico is None else Decimal(known.cost_pico).scaleb(-12),
            *(call[name] for name in fields), *(call.get(name, 0) for name in counts),
        )
        for call, known in zip(evidence.traffic.calls, calls, strict=True)
    }  # fmt: skip
    names = ("source", "id", "partition", "time_ms", "tier", "run_id", "status", "cost_usd", *fields, *counts)
    columns = [evidence.ledger[name].to_pylist() for name in names]
    found = {
        (source, id_): tuple(values)
        for outcome, source, id_, *values in zip(evidence.ledger["outcome"].to_pylist(), *columns, strict=True)
        if outcome == "call"
    }
    assert not first_differences(expected, found)
    assert {value[5] is None for value in expected.values()} == {True, False}, "priced and unpriced calls"


def test_the_roll_up_equals_what_was_published(evidence: Evidence, calls: list[Expected]) -> None:
    sent = evidence.traffic.calls
    counts = ("input_tokens", "output_tokens", "cache_read_input_tokens", "reasoning_output_tokens")
    cost = sum(known.cost_pico or 0 for known in calls)
    expected = (
        len(sent),
        *(sum(call.get(name, 0) for call in sent) for name in counts),
        Decimal(cost).scaleb(-12),
        sum(known.cost_pico is None for known in calls),
        sum(call.get("status", "ok") != "ok" for call in sent),
    )
    assert evidence.by_hour == [expected]


def test_no_row_of_a_void_epoch(evidence: Evidence) -> None:
    """A row is void when a later epoch went on reading at or below its offset; none stands before its epoch's start."""
    starts = {(p, e): offset for p, e, event, offset in evidence.epochs if event == "start"}
    fences = Counter((p, e) for p, e, event, _ in evidence.epochs if event == "fence")
    assert set(fences.values()) == {1}
    table = evidence.ledger
    ranges: dict[tuple[int, int], tuple[int, int]] = {}
    for partition, offset, epoch in zip(*(table[n].to_pylist() for n in ("partition", "offset", "epoch")), strict=True):
        low, high = ranges.get((partition, epoch), (offset, offset))
        ranges[partition, epoch] = min(low, offset), max(high, offset)
    for (partition, epoch), (low, high) in ranges.items():
        assert low >= starts[partition, epoch]
        void = [e for (p, e), start in starts.items() if p == partition and e > epoch and start <= high]
        assert not void, f"partition {partition}: epoch {epoch} wrote through {high}, epochs {void} began at or below"


def test_the_audit_agrees(evidence: Evidence) -> None:
    audit = evidence.audit
    assert audit["code"] == 0
    assert audit["ok"] is True
    assert audit["findings"] == []
    outcomes = Counter(evidence.ledger["outcome"].to_pylist())
    for name, outcome in (("calls", "call"), ("duplicates", "duplicate"), ("rejects", "reject"), ("moved", "moved")):
        assert audit[name] == outcomes[outcome]
    assert (audit["gaps"], audit["records"]) == (0, len(evidence.log))


# -- usage ---------------------------------------------------------------------------------------------------------


def test_usage_read_from_outside_equals_the_ledger(evidence: Evidence, calls: list[Expected]) -> None:
    assert not first_differences(expected_usage(evidence.traffic, calls), evidence.usage)
    agents = {cell.agent_id for cell in evidence.usage}
    assert agents == {call["agent_id"] for call in evidence.traffic.calls}


def test_cells_are_of_several_partitions(evidence: Evidence) -> None:
    """Else the check above would not see totals of one partition taken for another's."""
    places: dict[tuple[str, str, int], set[int]] = {}
    for cell in evidence.usage:
        assert isinstance(cell, Cell)
        places.setdefault((cell.agent_id, cell.tier, cell.second), set()).add(cell.source_partition)
    assert max(len(partitions) for partitions in places.values()) > 1


def _places(evidence: Evidence) -> list[Place]:
    return list(zip(*(evidence.ledger[name].to_pylist() for name in ("partition", "offset", "item")), strict=True))
