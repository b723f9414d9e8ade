"""Figures as people read them, steps of a view, and columns that fit."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.top.columns import aligned, calls, groups, shortened
from streams.top.figures import Arrivals, CallLine, Line, Totals
from streams.top.head import head, note, title
from streams.top.look import Look
from streams.top.shown import apart, bars, count, money, sparkline
from streams.top.view import TITLES, WINDOWS, View

NOW = 1_763_719_200_000


@given(st.integers(0, 10**17))
def test_counts_are_short_and_near(number: int) -> None:
    text = count(number)
    assert len(text) <= 6
    unit = {"k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15}.get(text[-1], 1.0)
    assert float(text.rstrip("kMGTP")) * unit == pytest.approx(number, rel=0.006)


@given(st.decimals(0, Decimal(10**14), places=12))
def test_money_is_short_and_never_rounds_to_nothing(usd: Decimal) -> None:
    text = money(usd)
    assert len(text) <= 9
    assert (text == "0") == (usd == 0)


@pytest.mark.parametrize(
    ("usd", "expected"),
    [("0", "0"), ("0.00000001", "<0.0001"), ("0.0123", "0.0123"), ("0.9951", "1.00"), ("123.456", "123.46"),
     ("9999.99", "9,999.99"), ("12345.6", "12,346"), ("12345678", "12.3M")],
)  # fmt: skip
def test_money_by_example(usd: str, expected: str) -> None:
    assert money(Decimal(usd)) == expected


def test_sparkline_and_bars() -> None:
    assert sparkline([0, 1, 8, 0.01]) == " ▂█▁"
    assert sparkline([]) == ""
    assert sparkline([0, 0]) == "  "
    assert bars(Decimal(10), Decimal(10), 5) == "█████"
    assert bars(Decimal("0.0001"), Decimal(10), 5) == "▏"
    assert bars(Decimal(0), Decimal(10), 5) == ""


@pytest.mark.parametrize(("ms", "expected"), [(40_000, "40 s"), (12 * 60_000, "12 min"), (5 * 3_600_000, "5 h")])
def test_apart(ms: int, expected: str) -> None:
    assert apart(ms) == expected


@given(st.text(min_size=0, max_size=60), st.integers(3, 40))
def test_shortened_keeps_both_ends(text: str, width: int) -> None:
    short = shortened(text, width)
    assert len(short) <= width
    if len(text) > width:
        assert short[0] == text[0]
        assert short[-1] == text[-1]


def look(view: View) -> Look:
    line = Line(
        "an-agent-with-quite-a-long-name-0001", 1_234_567, 7, 3, 10**12, 10**11, 10**9, Decimal("99999.99"), 12, NOW
    )
    free = Line("", 5, 0, 5, 1000, 0, 10, Decimal(0), 1, NOW)
    call = CallLine(
        NOW, "agent", "some/model-name-that-is-long", "mid", 10**6, 10, 10**5, None, "rate_limited", 12, "", None
    )
    return Look(view, NOW, NOW, NOW, Totals(), Arrivals(10, 0, 0, 0, None, None, 0), (line, free), (call,), ())


@given(st.integers(58, 240))
def test_tables_fit_and_widen(width: int) -> None:
    for table in (groups(look(View()), width), calls(look(View(run="r")), width)):
        assert sum(column.width + 1 for column in table.columns) <= width + 1
        for row in table.rows:
            for cell, column in zip(row, table.columns, strict=True):
                assert len(cell) <= column.width, (cell, column)
        assert max(map(len, aligned(table))) <= width


def test_unpriced_is_not_zero_in_a_table() -> None:
    [_, free] = groups(look(View()), 80).rows
    assert free[0] == "(none)"
    assert free[1] == free[2] == "unpriced"


@given(st.integers(20, 240), st.text(max_size=100))
def test_head_and_title_fit(width: int, name: str) -> None:
    shown = look(View())
    assert len(title(shown, name, width)) <= width
    assert all(len(line) <= width for line in head(shown, width))


def test_what_is_wrong_is_said_first() -> None:
    shown = look(View())
    assert note(shown, "ClickHouse is away", idle=True, paused=True, retry_s=2).plain.startswith("ClickHouse is away")
    assert "paused" in note(shown, "", idle=False, paused=True, retry_s=2).plain
    assert "nothing runs" in note(shown, "", idle=True, paused=False, retry_s=2).plain
    assert note(shown, "", idle=False, paused=False, retry_s=2).plain == ""
    past = Look(View(), NOW + 86_400_000 * 40, NOW, NOW + 1, Totals(), shown.arrivals)
    assert "40 days behind the clock" in note(past, "", idle=False, paused=False, retry_s=2).plain


def test_going_into_lines() -> None:
    team = View(by="team_id", search="pay").into("payments")
    assert team is not None
    assert (team.by, team.team, team.search) == ("agent_id", "payments", "")
    agent = team.into("coder")
    assert agent is not None
    assert (agent.by, agent.agent) == ("run_id", "coder")
    run = agent.into("r1")
    assert run is not None
    assert run.trail == ["team payments", "agent coder", "run r1"]
    scope = run.scope(NOW)
    assert (scope.run, scope.team, scope.agent) == ("r1", "*", "")
    assert run.into("0") is None
    alone = agent.into("")
    assert alone is not None
    assert (alone.scope(NOW).run, alone.scope(NOW).agent) == ("", "coder")


def test_windows_stop_at_their_ends() -> None:
    view = View()
    assert view.longer(99).window == "24h"
    assert view.longer(-99).window == "5m"
    assert view.longer(1).seconds == WINDOWS["6h"]
    assert set(TITLES) == {"agent_id", "team_id", "tier", "request_model", "run_id"}
