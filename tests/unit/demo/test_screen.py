"""The demo's screen and words: never beyond the terminal, every figure from the ledger's, readable without colour."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from rich.console import Console

from streams.demo.figures import Figures
from streams.demo.result import DemoResult
from streams.demo.routers import Routers
from streams.demo.run import DemoPlan, Stage, stage_of
from streams.demo.screen import LEAST_HEIGHT, LEAST_WIDTH, Screen
from streams.demo.words import Teller, summary
from streams.embedded.directory import Running
from streams.ledger.audit import AuditReport, Finding
from streams.top.figures import Arrivals, Line, Point, RunSpend, Totals

CLOCK = int(datetime(2026, 11, 23, 12, 0, tzinfo=UTC).timestamp() * 1000)
"""A Monday noon."""
PLAN = DemoPlan(90, 480, 7, CLOCK)
TOTALS = Totals(31_882, 428, 19, 0, 1_982, 417_000_000, 5_380_000, Decimal("361.123456789012"))
ARRIVALS = Arrivals(5, 2500, 10, 1, 412.0, 1034.0, CLOCK)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def line(key: str, usd: str, *, calls: int = 10, unpriced: int = 0) -> Line:
    return Line(key, calls, 1, unpriced, 1000, 500, 100, Decimal(usd), 1, CLOCK)


def stage_at(elapsed_s: float) -> Stage:
    stage = stage_of(PLAN)
    clock = Clock()
    routers = Routers("127.0.0.1:1", ["one"], PLAN.start_ms, PLAN.speed, clock)
    routers._began = clock.now - elapsed_s
    stage.routers = routers
    stage.doing = "playing"
    stage.running = Running(
        pid=1,
        broker="127.0.0.1:49092",
        clickhouse="127.0.0.1:8123",
        api="127.0.0.1:8127",
        started_at=datetime.now(UTC),
    )
    stage.run_ids = {runaway: f"p/{runaway.run_id}" for runaway in stage.runaways}
    first = stage.runaways[0]
    stage.figures = Figures(
        at_ms=routers.now_ms,
        totals=TOTALS,
        arrivals=ARRIVALS,
        usd_per_minute=Decimal("0.47"),
        agents=tuple(line(f"agent-with-a-rather-long-name-{n}", f"{40 - n}.5") for n in range(30)),
        teams=tuple(line(f"team-{n}", f"{90 - n}") for n in range(6)),
        tiers=(line("frontier", "284.08"), line("unknown", "0", unpriced=10)),
        trend=(Point(PLAN.start_ms, 5, 0, 0, 100, 10, Decimal(3)),),
        runs={f"p/{first.run_id}": RunSpend(159, Decimal("29.81"), 400)},
    )
    return stage


def drawn(stage: Stage, width: int, height: int) -> list[str]:
    out = io.StringIO()
    console = Console(file=out, width=width, height=height, force_terminal=True, color_system=None)
    console.print(Screen(stage), end="")
    return out.getvalue().split("\n")


@pytest.mark.parametrize(("width", "height"), [(80, 24), (60, 14), (100, 30), (120, 40), (200, 60), (81, 15), (66, 50)])
def test_fits_the_terminal(width: int, height: int) -> None:
    for stage in (stage_of(PLAN), stage_at(0), stage_at(40), stage_at(500)):
        lines = drawn(stage, width, height)
        assert len(lines) <= height
        assert max(map(len, lines)) <= width


def test_eighty_by_twenty_four_shows_everything() -> None:
    text = "\n".join(drawn(stage_at(14), 80, 24))
    for wanted in (
        "31,882", "417M", "5.38M", "$361.12", "$0.4700", "1,982 (6%)", "428", "rejected 19", "p50 0.4 s, p99 1.0 s",
        "team-0", "frontier", "unpriced", "http://127.0.0.1:8123", "http://127.0.0.1:8127/", "127.0.0.1:49092",
        "in 159 calls", "$29.81", "400 agents", "0:14 of 1:30",
    ):  # fmt: skip
        assert wanted in text
    assert "calls/s 500" in text


def test_announces_what_comes() -> None:
    stage = stage_at(0)
    first = stage.runaways[0]
    seconds = (first.starts_ms - PLAN.start_ms) / 1000 / PLAN.speed
    assert f"in {seconds:.0f} s: {first.says(0)}" in "\n".join(drawn(stage, 80, 24))


@pytest.mark.parametrize(("width", "height"), [(LEAST_WIDTH - 1, 24), (80, LEAST_HEIGHT - 1), (10, 3), (1, 1)])
def test_too_small_says_so(width: int, height: int) -> None:
    lines = drawn(stage_at(10), width, height)
    assert len(lines) <= height
    if width > 50:
        assert f"it needs {LEAST_WIDTH}x{LEAST_HEIGHT}" in " ".join(lines)


def test_a_ledger_that_does_not_answer_is_said() -> None:
    stage = stage_at(10)
    stage.trouble = "ClickHouse cannot do it now"
    assert "ClickHouse cannot do it now" in "\n".join(drawn(stage, 80, 24))


@pytest.mark.parametrize(
    ("now", "seconds", "expected"),
    [
        (datetime(2026, 11, 24, 12, tzinfo=UTC), 90, datetime(2026, 11, 23, 7, tzinfo=UTC)),
        (datetime(2026, 11, 24, 19, tzinfo=UTC), 90, datetime(2026, 11, 24, 7, tzinfo=UTC)),
        (datetime(2026, 11, 23, 12, tzinfo=UTC), 90, datetime(2026, 11, 20, 7, tzinfo=UTC)),  # Monday noon: Friday
        (datetime(2026, 11, 22, 23, tzinfo=UTC), 90, datetime(2026, 11, 20, 7, tzinfo=UTC)),
        (datetime(2026, 11, 24, 12, tzinfo=UTC), 900, datetime(2026, 11, 19, 7, tzinfo=UTC)),
    ],
)
def test_plays_a_working_day_of_the_past(now: datetime, seconds: float, expected: datetime) -> None:
    clock_ms = int(now.timestamp() * 1000)
    plan = DemoPlan(seconds, 480, 7, clock_ms)
    assert datetime.fromtimestamp(plan.start_ms / 1000, UTC) == expected
    assert plan.start_ms + plan.span_ms <= clock_ms


def test_teller_says_each_thing_once_and_figures_every_five_seconds() -> None:
    stage = stage_at(6)
    clock = stage.routers._clock_s  # type: ignore[union-attr]
    assert isinstance(clock, Clock)
    teller = Teller(stage)
    first = teller.news()
    assert first[0] == "in a browser: http://127.0.0.1:8127/, SQL at http://127.0.0.1:8123, Kafka at 127.0.0.1:49092"
    assert any("31,882 calls" in one and "$361.12" in one for one in first)
    assert any(one.startswith("in ") for one in first)
    assert teller.news() == []
    clock.now += 4.9
    assert not any("calls/s" in one for one in teller.news())
    clock.now += 0.2
    assert any("calls/s" in one for one in teller.news())


def result(audit: AuditReport | None = None) -> DemoResult:
    stage = stage_of(PLAN)
    assert TOTALS.rows == 32_329
    return DemoResult(
        from_ms=PLAN.start_ms,
        to_ms=PLAN.start_ms + PLAN.span_ms,
        published=32_329,
        totals=TOTALS,
        tiers=(line("frontier", "361.123456789012"), line("unknown", "0", unpriced=10)),
        teams=(line("platform", "361.123456789012"),),
        runaways=((stage.runaways[0], RunSpend(259, Decimal("107.13"), 1)),),
        arrivals=ARRIVALS,
        audit=audit or AuditReport(),
        seconds=91.0,
        setup_seconds=2.0,
        first_figure_seconds=1.2,
    )


def test_summary_is_exact_and_names_what_is_unpriced() -> None:
    text = summary(result(), None)
    assert "361.123456789012 USD" in text
    assert "unknown unpriced" in text
    assert "$107.13 in 1 run (30% of all)" in text
    assert "audit: holds" in text
    assert "spendstream top" not in text
    assert "spendstream top --embedded data/x" in summary(result(), Path("data/x"))


def test_a_ledger_that_does_not_add_up_is_no_success() -> None:
    assert result().ok
    assert not replace(result(), published=1).ok
    broken = AuditReport(findings=[Finding("positions", "partition 0", "offset 7 is missing")])
    assert not result(broken).ok
    assert "DOES NOT HOLD" in summary(result(broken), None)
    assert "offset 7 is missing" in summary(result(broken), None)


def test_json_has_the_keys_that_are_promised() -> None:
    shown = result().as_json()
    assert shown["cost_usd"] == "361.123456789012"
    assert shown["by_tier"]["frontier"]["cost_usd"] == "361.123456789012"
    assert (shown["published"], shown["ledger_rows"], shown["duplicates"], shown["rejected"]) == (
        32_329,
        31_882,
        428,
        19,
    )
    assert shown["incidents"] == []
    assert shown["audit_ok"] is True
