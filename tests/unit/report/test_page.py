"""The page: nothing runs in it, nothing is fetched, everything from outside is text, and charts tell exact figures."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, date, datetime
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markupsafe import escape

from streams.money import exact
from streams.report import charts
from streams.report.figures import Agent, Excluded, Late, Report, Reported, Run, Unpriced
from streams.report.page import MOST_ROWS, notices, page
from streams.report.period import Period, month
from streams.report.sums import Cell, Sums
from streams.report.tables import harmless

NOW = datetime(2026, 2, 5, tzinfo=UTC)
MONTH = month(date(2026, 1, 1))
ONE = Sums(10, 1000, 100, 300, 50, 20, 1_234_567_890_123, 1, 2)


def report(name: str = "x", cells: tuple[Cell, ...] | None = None, period: Period = MONTH) -> Report:
    """A small report in which every text from outside is `name`."""
    made = (Cell("2026-01-02", name, name, "mid", name, name, ONE),) if cells is None else cells
    return Report(
        period, period.before(NOW), NOW, 24, 20, 10, (("2026-01-01", 10),), made, made,
        (Agent(name, name, name, 1, ONE),),
        (Run(name, name, name, name, 1, "2026-01-02T00:00:00.000Z", "2026-01-02T00:00:01.000Z", ONE),),
        (Unpriced(name, name, "unknown_model", "2026-01-02T00:00:00.000Z", "2026-01-02T00:00:00.000Z", ONE),),
        (Late("2026-01-02", ONE, 1, 5, "2026-02-04T00:00:00.000Z"),),
        (Reported(name, 7, ONE),),
        (Excluded("reject", "not_json", 3),),
    )  # fmt: skip


class Shape(HTMLParser):
    """Which elements and attributes a page has, and whether each is closed."""

    VOID = frozenset({"meta", "br", "img", "input", "link", "hr"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.urls: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            self.attributes.add(name)
            if name in {"href", "src", "action", "srcset"}:
                self.urls.append(value or "")
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open
        assert self.open.pop() == tag


def test_nothing_runs_and_nothing_is_fetched() -> None:
    text = page(report())
    shape = Shape(text)
    assert not shape.open
    assert not shape.tags & {"script", "link", "img", "iframe", "object", "form", "a", "base"}
    assert not {name for name in shape.attributes if name.startswith("on")}
    assert shape.urls == []
    assert "url(" not in text
    assert "@import" not in text
    assert set(re.findall(r"https?://[^\"' <]*", text)) <= {"http://www.w3.org/2000/svg"}
    assert "default-src 'none'" in text


@settings(max_examples=12, deadline=None)
@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30))
def test_whatever_things_are_named_the_page_keeps_its_shape(name: str) -> None:
    plain, odd = Shape(page(report("x"))), Shape(page(report(name)))
    assert not odd.open
    assert (odd.tags, odd.attributes) == (plain.tags, plain.attributes)


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "</style><b>"])
def test_names_are_text(name: str) -> None:
    text = page(report(name))
    assert name not in text
    assert str(escape(name)) in text


def test_a_name_is_no_template() -> None:
    assert "{{ 7*7 }}" in page(report("{{ 7*7 }}"))


def test_the_same_report_gives_the_same_bytes() -> None:
    assert page(report()) == page(report())


def test_many_rows_end_in_one_of_others_that_holds_the_rest() -> None:
    cells = tuple(
        Cell("2026-01-02", "", f"team-{at:03d}", "mid", "openai", "gpt-4o", Sums(calls=1, cost=10**12 * (at + 1)))
        for at in range(MOST_ROWS + 5)
    )
    text = page(replace(report(cells=cells), unpriced=(), late=()))
    rest = 10**12 * sum(range(1, 6))
    assert "5 others" in text
    assert f'value="{exact(rest)}"' in text


def test_unpriced_is_not_shown_as_zero() -> None:
    cell = Cell("2026-01-02", "", "t", "mid", "p", "m", Sums(calls=3, unpriced=3))
    text = page(report(cells=(cell,)))
    assert ">unpriced</data>" in text
    [legend] = re.findall(r'<ul class="legend"><li class="c-mid">.*?</ul>', text)
    assert ">unpriced</data>" in legend
    assert "0.00" not in legend
    assert "no call has a price" in text


def test_notices() -> None:
    assert any("have no price" in notice for notice in notices(report()))
    assert any("after the period was over" in notice for notice in notices(report()))
    running = replace(report(period=month(NOW.date())), late=())
    assert any("not over yet" in notice for notice in notices(running))


def test_each_bar_tells_its_exact_figure_and_empty_ones_are_left_out() -> None:
    chart = charts.daily_spend(report())
    assert chart is not None
    for svg in (chart.wide, chart.narrow):
        assert re.findall(r"<title>(.*?)</title>", svg) == ["2026-01-02, mid: 1.234567890123 USD, 10 calls"]
        assert len(re.findall(r'class="bar"', svg)) == 1
        assert "01-01" in svg
    tokens = charts.daily_tokens(report())
    assert tokens is not None
    assert re.findall(r"<title>2026-01-02, (.*?): ([\d,]+) tokens", tokens.wide) == [
        ("uncached input", "650"), ("cache read", "300"), ("cache write", "50"), ("output", "100"),
    ]  # fmt: skip


def test_a_long_period_is_drawn_by_month() -> None:
    year = Period(datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC), "2026", False)
    chart = charts.daily_spend(report(period=year))
    assert chart is not None
    assert "<title>2026-01, mid: 1.234567890123 USD, 10 calls</title>" in chart.wide


def test_nothing_spent_has_no_chart() -> None:
    assert charts.daily_spend(report(cells=())) is None
    assert charts.cumulative_spend(report(cells=())) is None
    assert charts.daily_tokens(report(cells=())) is None


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1"])
def test_a_formula_is_marked_as_text(text: str) -> None:
    assert harmless(text) == "'" + text
    assert harmless("plain") == "plain"
    assert harmless(-1) == -1
