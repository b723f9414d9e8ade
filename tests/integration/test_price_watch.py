"""What is found wrong with prices, and what people are told of it: once for each change, over restarts too."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from streams.alert.box import NoticeBox
from streams.ledger.store import LedgerStore
from streams.rating.check import examine
from streams.rating.watch import PriceWatch
from tests.fakes import BASE_MS, call
from tests.integration.rated_ledger import DAY_MS, Filled, pricer

HOUR_MS = 3_600_000
HOUSE = '[[price]]\nmodel = "house-7b"\ninput = "1"\noutput = "1"\n'
UNPRICED = "price:unpriced:inhouse/house-7b"
REPORTED = "price:reported:openai/gpt-4o"


def house(id_: str, **fields: Any) -> dict[str, Any]:
    return call(id_, provider_name="inhouse", request_model="house-7b") | fields


@pytest.fixture
def filled(store: LedgerStore) -> Filled:
    filled = Filled(store)
    filled.write([
        call("right", reported_cost="0.0035"),
        call("dearer", reported_cost="0.0042"),  # 0.0077 reported, 0.0070 computed: a tenth of the larger, less a bit
        call("silent"),
        house("unpriced", reported_cost="0.0011"),
        house("unpriced too", time=BASE_MS + HOUR_MS),
    ])  # fmt: skip
    return filled


class Watched:
    """The duty on a ledger, each time as a new worker would run it."""

    def __init__(self, filled: Filled) -> None:
        self.filled = filled

    def run(self, now_ms: int, share: str = "0.05") -> list[tuple[str, str]]:
        database = self.filled.database
        known = self.told()
        PriceWatch(database, NoticeBox(database, now_ms=lambda: now_ms), Decimal(share)).run(now_ms)
        return [one for one in self.told() if one not in known]

    def told(self) -> list[tuple[str, str]]:
        rows = self.filled.database.rows("SELECT id, change FROM notices ORDER BY id")
        return [(str(id_), str(change)) for id_, change in rows]


# -- examine ---------------------------------------------------------------------------------------------------------


def kinds(filled: Filled, text: str = "", **options: Any) -> list[tuple[str, str]]:
    found = examine(filled.database, pricer(text), BASE_MS, BASE_MS + DAY_MS, date(2026, 3, 3), **options)
    return [(one.kind, one.what) for one in found]


def test_an_unpriced_model_is_found_with_what_to_do(filled: Filled) -> None:
    (found,) = examine(filled.database, pricer(), BASE_MS, BASE_MS + DAY_MS, date(2026, 3, 3), share=Decimal("0.5"))
    assert found.figures == {
        "provider": "inhouse", "model": "house-7b", "response_model": "", "status": "unknown_provider", "calls": 2,
        "tokens": 2200, "teams": 1, "first_call": "2026-03-02T00:00:00.000Z", "last_call": "2026-03-02T01:00:00.000Z",
    }  # fmt: skip
    assert "a price of your own" in found.todo
    (known,) = examine(
        filled.database, pricer(HOUSE), BASE_MS, BASE_MS + DAY_MS, date(2026, 3, 3), share=Decimal("0.5")
    )
    assert known.todo.startswith("today's prices know it")
    filled.rerate(HOUSE)
    assert kinds(filled, HOUSE, share=Decimal("0.5")) == []


def test_a_time_without_such_calls_has_no_findings(filled: Filled) -> None:
    assert examine(filled.database, pricer(), BASE_MS - DAY_MS, BASE_MS, date(2026, 3, 3)) == []


@pytest.mark.parametrize(("share", "differs"), [("0.0909", True), ("0.0910", False)])
def test_reported_costs_may_differ_by_a_share_of_the_larger(filled: Filled, share: str, differs: bool) -> None:
    """0.0077 and 0.0070 USD, of the calls that have both: 7/77, which is 0.0909..."""
    found = [what for kind, what in kinds(filled, share=Decimal(share)) if kind == "reported_differs"]
    assert bool(found) == differs
    if differs:
        assert "2 calls, 9.0 % more" in found[0]


def test_a_rating_changes_what_is_compared(filled: Filled) -> None:
    filled.rerate('[[price]]\nmodel = "gpt-4o"\ninput = "2.75"\noutput = "11"\n')
    assert [kind for kind, _ in kinds(filled, share=Decimal(0))] == ["unpriced"]


def test_own_prices_that_no_call_is_named_by(filled: Filled) -> None:
    text = (
        HOUSE
        + '[[price]]\nmodel = "hous-7b"\ninput = 1\noutput = 1\n'
        + '[[price]]\nprovider = "openai"\nmodel = "*"\noff = "5%"\n'
        + '[[price]]\nmodel = "gpt-4o"\nprovider = "azure"\ninput = 1\noutput = 1\n'
        + '[[price]]\nmodel = "past"\ninput = 1\noutput = 1\nto = 2026-01-01\n'
        + '[[price]]\nmodel = "gpt-4o"\ninput = 1\noutput = 1\nfrom = 2026-03-03\n'
    )
    found = [what for kind, what in kinds(filled, text) if kind == "own_price_unused"]
    assert [what.partition(" of your")[0] for what in found] == ["price 2", "price 4"]


def test_an_old_book_is_found(filled: Filled) -> None:
    newest = pricer().book.info().newest_price
    assert newest is not None
    found = examine(filled.database, pricer(), 0, 1, date(newest.year + 1, 1, 1), book_days=1)
    assert [one.kind for one in found] == ["book_old"]
    assert examine(filled.database, pricer(), 0, 1, newest, book_days=0) == []


# -- the duty --------------------------------------------------------------------------------------------------------


def test_each_change_is_told_once(filled: Filled) -> None:
    watched = Watched(filled)
    now = BASE_MS + 2 * HOUR_MS
    assert watched.run(now) == [(f"{REPORTED}#1", "opened"), (f"{UNPRICED}#1", "opened")]
    for later in (0, 60_000, HOUR_MS):
        assert watched.run(now + later) == []
    filled.rerate(HOUSE)
    assert watched.run(now + 2 * HOUR_MS) == [(f"{UNPRICED}#2", "resolved")]
    assert watched.run(now + 3 * HOUR_MS) == []
    assert watched.run(now + 2 * DAY_MS) == [(f"{REPORTED}#2", "resolved")]
    filled.write([house("again", time=now + 2 * DAY_MS)])
    assert watched.run(now + 2 * DAY_MS) == [(f"{UNPRICED}#3", "opened")]


def test_two_workers_at_once_tell_it_once(filled: Filled) -> None:
    """Both looked before either told."""
    database = filled.database
    kept: list[Any] = []

    class Slow:
        def put(self, notices: list[Any]) -> int:
            kept.append(notices)
            return 0

    for _ in range(2):
        PriceWatch(database, Slow(), Decimal("0.05")).run(BASE_MS + HOUR_MS)
    for notices in kept:
        NoticeBox(database).put(notices)
    assert len(kept) == 2
    assert len(Watched(filled).told()) == 2


def test_a_difference_at_the_edge_does_not_come_and_go(filled: Filled) -> None:
    """Opened above the share, kept down to four fifths of it."""
    watched = Watched(filled)
    now = BASE_MS + 2 * HOUR_MS
    assert (f"{REPORTED}#1", "opened") in watched.run(now, "0.09")
    assert watched.run(now, "0.10") == []
    assert watched.run(now, "0.12") == [(f"{REPORTED}#2", "resolved")]
    assert watched.run(now, "0.10") == []


def test_a_notice_says_what_and_what_to_do(filled: Filled) -> None:
    Watched(filled).run(BASE_MS + 2 * HOUR_MS)
    title, body, severity, labels = filled.database.rows(
        "SELECT title, body, toString(severity), labels FROM notices WHERE startsWith(id, 'price:unpriced')"
    )[0]
    assert (title, severity) == ("inhouse/house-7b has no price", "warning")
    assert body.startswith("2 of 2 calls of the last day are counted without a cost")
    assert "spendstream prices check" in body
    assert labels == {"kind": "unpriced", "model": "inhouse/house-7b"}
