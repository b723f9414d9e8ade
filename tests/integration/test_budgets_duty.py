"""The duty on a ledger: states for boards, each thing told once through restarts, replays and two workers."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from schemas.budgets import Budget
from schemas.policies import ControlPolicy
from streams.alert.box import NoticeBox
from streams.alert.notice import Notice
from streams.budgets.duty import BudgetDuty
from streams.budgets.file import parse_budgets
from streams.controls.book import ControlBook
from streams.errors import Unavailable
from streams.ledger.client import Database
from streams.ledger.sqlfiles import named_query
from streams.ledger.store import LedgerStore
from tests.integration.test_report_figures import store as put

NOW = datetime(2026, 3, 17, 14, 20, tzinfo=UTC)
NOW_MS = int(NOW.timestamp()) * 1000
DAY_MS = 86_400_000
_offset = iter(range(10**6))


def budget(text: str = "burn = []") -> tuple[Budget, ...]:
    return parse_budgets(f'[[budget]]\nname = "b"\namount = 10\nperiod = "month"\n{text}', "b.toml")


def spend(database: Database, usd: str, at_ms: int = NOW_MS, **fields: Any) -> None:
    number = next(_offset)
    row = {
        "outcome": "call", "offset": number, "id": f"c-{number}", "time": datetime.fromtimestamp(at_ms / 1000, UTC),
        "ingested_at": NOW, "team_id": "search", "agent_id": "bot", "run_id": "run", "cost_usd": Decimal(usd),
    }  # fmt: skip
    put(database, [row | fields])


class Box:
    """Remembers what was put, as often as it was put; the real one stands behind it."""

    def __init__(self, database: Database) -> None:
        self.real = NoticeBox(database)
        self.new: list[Notice] = []
        self.fails = 0

    def put(self, notices: Sequence[Notice]) -> int:
        if self.fails:
            self.fails -= 1
            raise Unavailable("away")
        known = {row[0] for row in self.real._database.rows("SELECT id FROM notices")}
        self.new += [notice for notice in notices if notice.id not in known]
        return self.real.put(notices)

    @property
    def changes(self) -> list[str]:
        return [notice.change for notice in self.new]


@pytest.fixture
def box(database: Database, store: LedgerStore) -> Box:
    return Box(database)


def state(database: Database) -> dict[str, Any]:
    names, rows = database.table("SELECT * FROM budget_states")
    [row] = rows
    return dict(zip(names, row, strict=True))


def told(database: Database) -> list[tuple[Any, ...]]:
    return database.rows("SELECT toString(kind), mark, told FROM budget_events ORDER BY at, toUInt32OrZero(mark)")


def test_a_crossing_is_told_once_through_restart_replay_and_two_workers(database: Database, box: Box) -> None:
    budgets = budget()
    first, second = BudgetDuty(database, budgets, box), BudgetDuty(database, budgets, box)
    spend(database, "4.99")
    first.run(NOW_MS)
    second.run(NOW_MS)
    assert box.new == []
    spend(database, "0.01")
    first.run(NOW_MS + 1000)
    second.run(NOW_MS + 1000)
    first.run(NOW_MS + 2000)
    BudgetDuty(database, budgets, box).run(NOW_MS + 3000)
    assert box.changes == ["crossed_50"]
    [notice] = box.new
    assert (notice.severity, notice.subject, notice.labels["kind"]) == (
        "ticket", f"budget:b:{int(datetime(2026, 3, 1, tzinfo=UTC).timestamp()) * 1000}", "budget",
    )  # fmt: skip
    assert "50 % of 10.00 USD" in notice.title
    assert told(database) == [("crossed", "50", True)]


def test_several_thresholds_at_once_are_one_message(database: Database, box: Box) -> None:
    spend(database, "12")
    BudgetDuty(database, budget("hard = true\nburn = []"), box).run(NOW_MS)
    assert box.changes == ["crossed_100"]
    assert box.new[0].severity == "critical"
    assert told(database) == [("crossed", "50", False), ("crossed", "80", False), ("crossed", "100", True)]
    found = state(database)
    assert (found["crossed"], found["remaining_usd"], found["spent_usd"]) == (100, Decimal(-2), Decimal(12))
    assert found["exhausts_at"] is not None


def test_below_again_the_state_follows_and_nothing_is_told_twice(database: Database, box: Box) -> None:
    duty = BudgetDuty(database, budget(), box)
    spend(database, "9")
    duty.run(NOW_MS)
    assert state(database)["crossed"] == 80
    # a credit, as a rating gives one
    database.command(
        "INSERT INTO adjustments (rating_id, offset, id, time, team_id, ingested_at, adjustment_usd, priced_change) "
        "SELECT 'r1', 1, 'c', fromUnixTimestamp64Milli({at:Int64}), 'search', now64(3), toDecimal64('-5', 12), 0",
        {"at": NOW_MS},
    )
    database.command("INSERT INTO ratings (number, id, by, reason) SELECT 1, 'r1', 'ada', 'test'")
    duty.run(NOW_MS + 1000)
    assert (state(database)["crossed"], state(database)["spent_usd"]) == (0, Decimal(4))
    spend(database, "5")
    duty.run(NOW_MS + 2000)
    assert state(database)["crossed"] == 80
    assert box.changes == ["crossed_80"]
    assert [mark for _, mark, _ in told(database)] == ["50", "80"]


def test_a_new_period_begins_anew(database: Database, box: Box) -> None:
    duty = BudgetDuty(database, budget(), box)
    april = int(datetime(2026, 4, 1, 0, 30, tzinfo=UTC).timestamp()) * 1000
    spend(database, "6")
    duty.run(NOW_MS)
    duty.run(april)
    assert box.changes == ["crossed_50"]
    spend(database, "3", april - DAY_MS)  # late: still of March
    spend(database, "6", april)
    duty.run(april + 1000)
    assert [change for change in box.changes if change != "expected"] == ["crossed_50", "crossed_80", "crossed_50"]
    assert len({notice.subject for notice in box.new}) == 2
    assert database.rows("SELECT count() FROM budget_states") == [(2,)]


def test_a_box_that_is_away_loses_nothing(database: Database, box: Box) -> None:
    duty = BudgetDuty(database, budget(), box)
    spend(database, "6")
    box.fails = 1
    with pytest.raises(Unavailable):
        duty.run(NOW_MS)
    assert told(database) == []
    duty.run(NOW_MS + 1000)
    assert box.changes == ["crossed_50"]


def test_a_crash_between_notice_and_record_puts_the_same_notice_again(
    database: Database, box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    duty = BudgetDuty(database, budget(), box)
    spend(database, "6")

    def crash(events: object) -> None:
        raise RuntimeError("killed")

    monkeypatch.setattr(duty._store, "write_events", crash)
    with pytest.raises(RuntimeError):
        duty.run(NOW_MS)
    BudgetDuty(database, budget(), box).run(NOW_MS + 60_000)
    assert box.changes == ["crossed_50"]
    assert told(database) == [("crossed", "50", True)]


def test_a_slow_leak_burns_and_calms_and_a_burst_does_not(database: Database, box: Box) -> None:
    pair = "[[budget.burn]]\nlong_hours = 6\nshort_hours = 1\nrate = 3\nseverity = 'warning'"
    duty = BudgetDuty(database, budget(f"scope = {{ team = 'leak' }}\nthresholds = [500]\n{pair}"), box)
    even = Decimal(10) / (31 * 24)
    spend(database, str((even * 15).quantize(Decimal("1e-12"))), NOW_MS, team_id="leak")  # 15 hours' worth in one
    duty.run(NOW_MS)
    assert box.new == [], "a burst: 2.5 times the pace over six hours"
    for hour in range(1, 7):
        spend(database, str((even * 4).quantize(Decimal("1e-12"))), NOW_MS + hour * 3_600_000, team_id="leak")
        duty.run(NOW_MS + hour * 3_600_000)
    assert "burning" in box.changes
    assert box.changes.count("burning") == 1
    assert state(database)["burning"] == "warning"
    BudgetDuty(database, budget(f"scope = {{ team = 'leak' }}\nthresholds = [500]\n{pair}"), box).run(
        NOW_MS + 12 * 3_600_000
    )
    burns = [notice for notice in box.new if notice.labels["kind"] == "budget" and "burn" in notice.subject]
    assert [notice.change for notice in burns] == ["burning", "calm"]
    assert burns[1].resolved
    assert burns[0].subject == burns[1].subject
    assert state(database)["burning"] == ""


def test_ticks_without_change_write_nothing(database: Database, box: Box) -> None:
    duty = BudgetDuty(database, budget(), box)
    for hours in (6 * 24, 2):
        spend(database, "1", NOW_MS - hours * 3_600_000)
    duty.run(NOW_MS)
    rows = "SELECT count() FROM budget_state_rows"
    before = state(database)
    for second in range(1, 5):
        duty.run(NOW_MS + second * 10_000)
    assert database.rows(rows) == [(1,)]
    assert state(database) == before
    duty.run(NOW_MS + 70_000)
    assert state(database)["evaluated_at"] > before["evaluated_at"], "forecasts move by the clock"


def test_a_budget_that_left_the_file_leaves_the_boards(database: Database, box: Box) -> None:
    spend(database, "1")
    BudgetDuty(database, budget(), box).run(NOW_MS)
    assert database.rows(named_query("budget_states"), {"at": NOW_MS})
    BudgetDuty(database, (), box).run(NOW_MS + 1000)
    assert database.rows(named_query("budget_states"), {"at": NOW_MS}) == []
    BudgetDuty(database, budget(), box).run(NOW_MS + 2000)
    assert len(database.rows(named_query("budget_states"), {"at": NOW_MS})) == 1


def test_shared_queries_answer(database: Database, box: Box) -> None:
    spend(database, "9.5", tier="frontier")
    BudgetDuty(database, budget('scope = { team = ["search"], tier = "frontier" }\nburn = []'), box).run(NOW_MS)
    names, [row] = database.table(named_query("budget_states"), {"at": NOW_MS})
    found = dict(zip(names, row, strict=True))
    assert found["spent_share"] == pytest.approx(0.95)
    assert found["time_share"] == pytest.approx((16 + (14 + 20 / 60) / 24) / 31)
    assert (found["team_id"], found["tier"], found["scope"]) == (
        "search", "frontier", {"team": ["search"], "tier": ["frontier"]},
    )  # fmt: skip
    events = database.rows(named_query("budget_events"), {"first": NOW_MS - 1, "end": NOW_MS + 1})
    assert [event[4:6] for event in events if event[8]] == [("crossed", "80")]


def test_each_run_is_told_by_its_name_and_a_new_amount_is_a_new_budget(database: Database, box: Box) -> None:
    text = '[[budget]]\nname = "r"\namount = {}\nperiod = "day"\neach = "run"\nthresholds = [100]\nburn = []'
    for run, usd in (("r1", "3"), ("r2", "1"), ("r3", "5"), ("", "9")):
        spend(database, usd, run_id=run)
    duty = BudgetDuty(database, parse_budgets(text.format(2), "b.toml"), box)
    duty.run(NOW_MS)
    assert sorted(notice.labels["value"] for notice in box.new) == ["r1", "r3"]
    BudgetDuty(database, parse_budgets(text.format(4), "b.toml"), box).run(NOW_MS + 1000)
    assert [notice.labels["value"] for notice in box.new[2:]] == ["r3"]


def controls(database: Database) -> dict[str, tuple[str, str, bool]]:
    return {
        one.change.id: (one.change.mode, one.change.action, one.active(NOW_MS + 60_000))
        for one in ControlBook(database).changed_since(0)
    }


def test_a_hard_budget_asks_for_a_control_in_the_mode_of_the_policy(database: Database, box: Box) -> None:
    text = (
        '[[budget]]\nname = "h"\namount = {}\nperiod = "day"\neach = "agent"\nhard = true\nat_limit = "throttle"\n'
        "rate_per_minute = 6\nburn = []"
    )
    spend(database, "3", agent_id="a1")
    spend(database, "1", agent_id="a2")
    small = parse_budgets(text.format(2), "b.toml")
    BudgetDuty(database, small, box).run(NOW_MS)
    assert controls(database) == {"agent:a1": ("observe", "throttle", True)}, "without a policy nobody is stopped"

    policy = ControlPolicy(name="p", kinds=("budget",), mode="enforce", action="block")
    duty = BudgetDuty(database, small, box, controls=[policy], clock=lambda: 0.0)
    for second in range(1, 4):
        duty.run(NOW_MS + second)
    assert controls(database) == {"agent:a1": ("enforce", "throttle", True)}
    book = ControlBook(database)
    assert len(book.history("agent", "a1")) == 2, "said once"
    standing = book.standing("agent", "a1")
    assert standing is not None
    assert standing.change.expires_ms == NOW_MS // DAY_MS * DAY_MS + DAY_MS, "it ends with the period"

    assert book.release("agent", "a1", by="ada", reason="month end", now_ms=NOW_MS + 4)
    BudgetDuty(database, small, box, controls=[policy]).run(NOW_MS + 5)
    assert not controls(database)["agent:a1"][2], "a person's word goes before the budget's"


@pytest.mark.parametrize("mended", ["larger", "gone"])
def test_a_control_ends_when_its_budget_is_not_spent_any_more(database: Database, box: Box, mended: str) -> None:
    text = '[[budget]]\nname = "h"\namount = {}\nperiod = "day"\neach = "run"\nhard = true\nat_limit = "block"'
    spend(database, "3")
    BudgetDuty(database, parse_budgets(text.format(2), "b.toml"), box).run(NOW_MS)
    assert controls(database)["run:run"][2]
    budgets = parse_budgets(text.format(20), "b.toml") if mended == "larger" else ()
    BudgetDuty(database, budgets, box).run(NOW_MS + 1000)
    assert not controls(database)["run:run"][2]


def test_budgets_that_need_calls_get_a_twentieth_of_the_time(database: Database, box: Box) -> None:
    text = '[[budget]]\nname = "a"\namount = 2\nperiod = "day"\nscope = { agent = "bot" }\nburn = []'
    seconds = iter([100.0, 101.0, 110.0, 121.5, 122.0])
    duty = BudgetDuty(database, parse_budgets(text, "b.toml"), box, clock=lambda: next(seconds))
    duty.run(NOW_MS)  # from 100 to 101: not before 121
    spend(database, "1.5")
    duty.run(NOW_MS + 10_000)  # at 110
    assert box.new == []
    duty.run(NOW_MS + 21_500)
    assert box.changes == ["crossed_50"]


def test_two_workers_at_the_same_moment_tell_once(database: Database, box: Box) -> None:
    """Both have read that nothing is known before either puts: the worst moment for two."""
    spend(database, "9")
    together = threading.Barrier(2, timeout=60)

    class Meeting(NoticeBox):
        def put(self, notices: Sequence[Notice]) -> int:
            together.wait()
            return super().put(notices)

    with ThreadPoolExecutor(2) as pool:
        rounds = [
            pool.submit(BudgetDuty(database, budget(), Meeting(database)).run, NOW_MS + worker) for worker in range(2)
        ]
        for one in rounds:
            one.result()
    assert database.rows("SELECT change FROM notices WHERE labels['kind'] = 'budget'") == [("crossed_80",)]
    assert [row[1:] for row in sorted(told(database))] == [("50", False), ("80", True)]
    assert database.rows("SELECT count(), any(crossed) FROM budget_states") == [(1, 80)]
