"""Macros and variables as Grafana expands them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.boards.macros import ALL, TimeRange, back_end, browser, expand, variables_of
from streams.errors import UsageError

END = datetime(2026, 3, 2, 12, tzinfo=UTC)
DAY = TimeRange.before(END, timedelta(days=1), timedelta(minutes=5))
FROM, TO = int(END.timestamp()) - 86400, int(END.timestamp())


@pytest.mark.parametrize(
    ("macro", "sql"),
    [
        ("$__timeFilter(time)", f"time >= toDateTime({FROM}) AND time <= toDateTime({TO})"),
        (
            "$__timeFilter_ms(t.time)",
            f"t.time >= fromUnixTimestamp64Milli({FROM}000) AND t.time <= fromUnixTimestamp64Milli({TO}000)",
        ),
        ("$__dateFilter(day)", "day >= toDate('2026-03-01') AND day <= toDate('2026-03-02')"),
        ("$__fromTime - $__toTime", f"toDateTime({FROM}) - toDateTime({TO})"),
        ("$__timeInterval(time)", "toStartOfInterval(toDateTime(time), INTERVAL 300 second)"),
        ("$__interval_s", "300"),
        ("a $__timeInterval(f(x, 1)) b", "a toStartOfInterval(toDateTime(f(x, 1)), INTERVAL 300 second) b"),
    ],
)
def test_time_macros(macro: str, sql: str) -> None:
    assert back_end(macro, DAY) == sql


def test_an_interval_is_never_shorter_than_a_second() -> None:
    assert back_end("$__interval_s", TimeRange.before(END, timedelta(hours=1), timedelta(0))) == "1"


@pytest.mark.parametrize("everything", [ALL, [ALL], "", [], [""]])
def test_a_condition_falls_away_when_everything_is_chosen(everything: str | list[str]) -> None:
    sql = "a AND $__conditionalAll(has(f('${team:customqueryparam:v}', 2), team), $team) AND b"
    assert browser(sql, {"team": everything}) == "a AND 1=1 AND b"


def test_a_condition_stays_when_something_is_chosen() -> None:
    sql = "$__conditionalAll(x = '${team:customqueryparam:v}', ${team}) OR $__conditionalAll(y, $tier)"
    assert browser(sql, {"team": ["a b", "c&d"], "tier": ALL}) == " x = 'v=a%20b&v=c%26d' OR 1=1".strip()


def test_one_value_percent_encoded() -> None:
    assert browser("'${run:percentencode}'", {"run": "o'brien\\ $__toTime"}) == "'o%27brien%5C%20%24__toTime'"


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), min_size=1, max_size=4))
def test_no_value_can_leave_its_string(values: list[str]) -> None:
    text = expand("'${team:customqueryparam:v}'", DAY, {"team": values})
    assert text[0] == text[-1] == "'"
    assert not set(text[1:-1]) & set("'\\$()\"` \n")
    assert [unquote(one.removeprefix("v=")) for one in text[1:-1].split("&")] == values


@pytest.mark.parametrize(
    "sql",
    [
        "$__adHocFilters('intake')",
        "$__conditionalAll(a)",
        "$__timeFilter(time",
        "${nobody:percentencode}",
        "'${team:singlequote}'",
        "${team}",
        "${team:sqlstring}",
    ],
)
def test_what_is_refused(sql: str) -> None:
    with pytest.raises(UsageError):
        expand(sql, DAY, {"team": ["a"]})


def test_variables_of() -> None:
    assert variables_of("${a:percentencode} $b $__toTime $__conditionalAll(x, $c)") == {"a", "b", "c"}
