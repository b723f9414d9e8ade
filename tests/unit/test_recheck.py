"""Recheck: canonical whatever the order of arrival, exact, in pages, and honest about windows and open ends."""

from __future__ import annotations

import contextlib
import itertools
import json
import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.cli.reach import EngineLedger
from streams.detect import Detector, Incident
from streams.errors import LedgerError, UsageError
from streams.evaluate.read import SeenCall
from streams.ledger.client import Database
from streams.ledger.migrate import migrate
from streams.moment import DAY_MS
from streams.recheck import Rechecked, recheck
from streams.recheck.read import HOUR_MS, LedgerCall, hours, read_calls, stretches
from streams.recheck.tell import as_json, in_words, incident_json, instant
from streams.recheck.window import asked_window
from tests.unit.detect.calls import MINUTE, T0, call, loop
from tests.unit.top.ledger import insert

COST = "0.010000000001"
PICO = 10**10 + 1
Fill = Callable[[Sequence[dict[str, Any]]], EngineLedger]


def row(one: SeenCall, cost: str | None = COST) -> dict[str, Any]:
    """The ledger's row of a call."""
    seen = {name: value for name in one.__struct_fields__ if (value := getattr(one, name)) is not None}
    return {**seen, "source": "router", "cost_usd": cost}


def shuffled(rows: Sequence[dict[str, Any]], seed: int) -> list[dict[str, Any]]:
    """Other order of arrival, other partitions."""
    rng = random.Random(seed)
    mixed = [{**one, "partition": rng.randrange(4)} for one in rows]
    rng.shuffle(mixed)
    return mixed


@pytest.fixture
def fill(chdb_url: str) -> Iterator[Fill]:
    """Makes a ledger of rows, any number of them."""
    with contextlib.ExitStack() as stack:
        path = Path(chdb_url.removeprefix("chdb://"))
        made: list[Database] = []

        def make(rows: Sequence[dict[str, Any]]) -> EngineLedger:
            database = Database(chdb_url, database=f"recheck_{len(made)}", create=True)
            made.append(database)
            stack.callback(database.close)
            stack.callback(database.command, f"DROP DATABASE `{database.database}`")
            migrate(database)
            # in parts, as a worker writes them
            for start in range(0, len(rows), 50):
                insert(database, rows[start : start + 50])
            return stack.enter_context(contextlib.closing(EngineLedger(path, database.database)))

        yield make


def story() -> list[SeenCall]:
    """A loop of an hour ago, another agent's storm, quiet work until three hours later, a loop that goes on."""
    storm = [
        call(1000 + n, 20 * MINUTE + n * 3000, agent_id="b", run_id="r9", status="error", attempt=1 + n,
             request_fingerprint="again", retry_of=None if n == 0 else f"c{999 + n:07d}")
        for n in range(20)
    ]  # fmt: skip
    quiet = [call(2000 + n, n * 7 * MINUTE, agent_id="c", request_fingerprint=f"p{n}") for n in range(30)]
    last = loop(20, start=200 * MINUTE, first=3000, run_id="r2", agent_id="d", parent_agent_id="c")
    return loop(40) + storm + quiet + last


def directly(calls: Sequence[SeenCall]) -> list[Incident]:
    """The incidents of a plain fold, without a ledger."""
    detector = Detector()
    ordered = sorted(calls, key=lambda one: (one.time, one.id))
    detector.observe(ordered, [PICO] * len(ordered))
    detector.finish()
    last = {event.incident.id: event.incident for event in detector.drain()}
    last |= {one.id: one for one in detector.incidents}
    return sorted(last.values(), key=lambda one: (one.opened_at, one.id))


def test_the_same_calls_in_any_order_and_partitions_give_the_same_incidents(fill: Fill) -> None:
    rows = [row(one) for one in story()]
    one, other = recheck(fill(rows)), recheck(fill(shuffled(rows, 1)))
    assert json.dumps(as_json(one)) == json.dumps(as_json(other))
    assert [(found.kind, found.state) for found in one.incidents] == [
        ("loop", "resolved"),
        ("retry_storm", "resolved"),
        ("loop", "open"),
    ]


def test_nothing_of_a_call_is_lost_on_the_way_through_the_ledger(fill: Fill) -> None:
    assert list(recheck(fill(shuffled([row(one) for one in story()], 2))).incidents) == directly(story())


@pytest.mark.parametrize("page", [1, 7, 64])
def test_pages_change_nothing(fill: Fill, page: int) -> None:
    calls = story()[::3] if page == 1 else story()
    ledger = fill([row(one) for one in calls])
    assert recheck(ledger, page=page) == recheck(ledger)


def test_calls_of_one_instant_are_told_apart_by_id_and_source_across_pages(fill: Fill) -> None:
    rows = [{**row(call(number, 0)), "source": source} for number in range(20) for source in ("", "a", "é", "z\\'\t")]
    ledger = fill(shuffled(rows, 3))
    read = [one for part in read_calls(ledger, hours(ledger), page=3) for one in part]
    assert [(one.id, one.source) for one in read] == sorted((one["id"], one["source"]) for one in rows)


def test_absent_is_none_and_unpriced_is_not_zero(fill: Fill) -> None:
    bare = {"id": "x", "time": T0, "agent_id": "a", "request_model": "m", "status": "", "cost_usd": None}
    dear = {**bare, "id": "y", "status": "ok", "cost_usd": "999999.999999999999", "attempt": 3, "input_tokens": 10**9}
    ledger = fill([bare, dear, {**bare, "id": "copy", "outcome": "duplicate"}, {"outcome": "reject", "time": T0}])
    [[one, two]] = list(read_calls(ledger, hours(ledger)))
    none = dict.fromkeys(
        ("run_id", "parent_agent_id", "provider_name", "status", "attempt", "retry_of", "request_fingerprint")
    )
    assert one == LedgerCall("x", T0, "a", "m", 0, 0, **none, cost_pico=None, source="")
    assert (two.cost_pico, two.attempt, two.status, two.input_tokens) == (10**18 - 1, 3, "ok", 10**9)
    found = recheck(ledger)
    assert (found.calls, found.unpriced, found.folded) == (2, 1, 2)
    assert in_words(found) == "no runaways in 2 calls (1 unpriced: their cost is not in these figures)"


def test_an_empty_ledger_has_no_runaways(fill: Fill) -> None:
    found = recheck(fill([]))
    assert found == Rechecked((), 0, 0, 0, None, None, None)
    assert in_words(found) == "no runaways in 0 calls"
    assert as_json(found)["incidents"] == []


def test_from_chooses_what_is_told_and_still_learns_from_before(fill: Fill) -> None:
    ledger = fill([row(one) for one in story()])
    whole = recheck(ledger)
    first, storm, last = whole.incidents
    assert recheck(ledger, first.resolved_at).incidents == whole.incidents
    later = recheck(ledger, (first.resolved_at or 0) + 1)
    assert later.incidents == (storm, last)
    assert later.folded == whole.folded
    assert later.calls == sum(one.time > (first.resolved_at or 0) for one in story())
    assert later.first == min(one.time for one in story() if one.time > (first.resolved_at or 0))


def test_to_reads_no_further_and_tells_the_state_of_then(fill: Fill) -> None:
    ledger = fill([row(one) for one in story()])
    first = recheck(ledger).incidents[0]
    before = recheck(ledger, None, first.opened_at)
    assert before.incidents == ()
    then = recheck(ledger, None, first.opened_at + 1)
    (opened,) = then.incidents
    assert (opened.state, opened.id, opened.calls) == ("open", first.id, first.calls_before_open)
    assert then.as_of == first.opened_at + 1


def test_silence_up_to_to_ends_an_incident_but_none_after_the_last_call(fill: Fill) -> None:
    calls = loop(40)
    after = T0 + 5 * HOUR_MS
    lone = fill([row(one) for one in calls])
    # nobody knows what came after the last call
    assert recheck(lone, None, after).incidents[0].state == "open"
    more = fill([row(one) for one in [*calls, call(9000, 6 * HOUR_MS, agent_id="z")]])
    assert recheck(more, None, after).incidents[0].state == "resolved"
    assert recheck(more, None, after).as_of == after


def test_what_is_told_is_exact_and_cannot_steer_a_terminal(fill: Fill) -> None:
    ledger = fill([row(one) for one in loop(40, agent_id="\x1b[2Jevil\nname")])
    found = recheck(ledger)
    (told,) = as_json(found)["incidents"]
    assert set(told) >= {
        *("kind", "severity", "agent_id", "run_id", "first_call_id", "opened_at", "resolved_at", "state", "calls"),
        *("cost_usd", "calls_before_open", "cost_before_open", "evidence", "page"),
    }
    assert told == incident_json(found.incidents[0])
    assert (told["kind"], told["page"], told["first_call_id"], told["calls"]) == ("loop", True, "c0000004", 39)
    assert told["cost_usd"] == "0.390000000039"
    assert told["cost_before_open"] == f"{told['calls_before_open'] / 100:.2f}{told['calls_before_open']:010d}"
    assert told["agent_id"] == "\x1b[2Jevil\nname"
    line, summary = in_words(found).splitlines()
    assert "\x1b" not in line
    assert found.incidents[0].evidence in line
    assert summary == "1 incident, 1 of which would page, in 43 calls"


def test_only_reads(fill: Fill) -> None:
    ledger = fill([row(one) for one in loop(3)])
    with pytest.raises(LedgerError, match="refused"):
        ledger.rows("INSERT INTO epochs (epoch) VALUES (9)")


@given(
    st.lists(st.tuples(st.integers(0, 200), st.integers(1, 50)), max_size=30, unique_by=lambda one: one[0]),
    st.integers(1, 60),
    st.none() | st.integers(1, 200 * HOUR_MS),
)
def test_stretches_cover_every_hour_once_and_hold_less_than_a_page(
    spread: list[tuple[int, int]], page: int, until: int | None
) -> None:
    spread = sorted((hour * HOUR_MS, calls) for hour, calls in spread)
    made = list(stretches(spread, page, until))
    assert all(start < end for start, end in made)
    assert all(one[1] <= other[0] for one, other in itertools.pairwise(made))
    for start, calls in spread:
        inside = [one for one in made if one[0] <= start < one[1]]
        assert len(inside) == (until is None or start < until)
        for begin, end in inside:
            assert end >= min(start + HOUR_MS, until or start + HOUR_MS)
            held = sum(n for at, n in spread if begin <= at < end)
            assert held < page or held == calls


def test_windows() -> None:
    day = 1_772_409_600_000
    assert asked_window(None, None) == (None, None)
    assert asked_window("2026-03-02", "2026-03-02") == (day, day + DAY_MS)
    assert asked_window("2026-03-02T01:00:00+01:00", "2026-03-02T00:00:00.001Z") == (day, day + 1)
    assert instant(day + 7) == "2026-03-02T00:00:00.007Z"


@pytest.mark.parametrize(
    ("first", "last", "said"),
    [
        ("yesterday", None, "--from 'yesterday' is no time"),
        ("2026-02-30", None, "--from '2026-02-30' is no time"),
        (None, "2026-03-02T10:00:00", "--to .* is no time"),  # which zone?
        (None, "1970-01-01", "--to .* is no time"),
        ("2026-03-03", "2026-03-02", "--to 2026-03-02 lies before --from 2026-03-03"),
        ("2026-03-03T00:00:00Z", "2026-03-03T00:00:00Z", "lies before"),
    ],
)
def test_times_that_make_no_sense_are_refused(first: str | None, last: str | None, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        asked_window(first, last)
