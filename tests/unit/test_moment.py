"""One parser for the times that options take, and every command with such an option uses it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.times import EARLIEST_MS, LATEST_MS
from streams.cli.main import group
from streams.cli.options import MOMENT
from streams.moment import DAY_MS, read_moment

DAY = 1_772_409_600_000
"""2026-03-02T00:00:00Z."""


@pytest.mark.parametrize(
    ("text", "at", "length"),
    [
        ("2026-03-02", DAY, DAY_MS),
        ("2026-03-02T00:00:00Z", DAY, 0),
        ("2026-03-02T00:00:00.250Z", DAY + 250, 0),
        ("2026-03-02T00:00:00.250999Z", DAY + 250, 0),
        ("2026-03-02T01:00:00+01:00", DAY, 0),
        ("2026-03-02T00:00Z", DAY, 0),
        ("2026-03-02T01:30+01:30", DAY, 0),
        ("1772409600250", DAY + 250, 0),
    ],
)
def test_what_is_a_time(text: str, at: int, length: int) -> None:
    assert read_moment(text) == (at, length)


@given(st.integers(EARLIEST_MS, LATEST_MS - 1))
def test_all_spellings_of_a_moment_are_one(ms: int) -> None:
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)
    assert read_moment(moment.isoformat()) == read_moment(str(ms)) == (ms, 0)


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("yesterday", "write a day as 2026-01-31"),
        ("2026-02-30", "write a day as 2026-01-31"),
        ("", "write a day as 2026-01-31"),
        ("2026-03-02T10:00:00", "lacks a zone: write Z at its end"),
        ("2026-03-02 10:00", "lacks a zone: write Z at its end"),
        ("1772409600", "13 digits"),
        ("1772409600250000", "13 digits"),
        ("1970-01-01", "from 2015 to 2099"),
        ("2100-01-01T00:00:00Z", "from 2015 to 2099"),
        ("٢٠٢٦-03-02", "write a day as 2026-01-31"),
    ],
)
def test_what_is_none_is_told_what_to_write(text: str, advice: str) -> None:
    with pytest.raises(ValueError, match=advice) as caught:
        read_moment(text)
    assert str(caught.value).startswith(f"{text!r} is no time: ")


def options(command: click.Command, path: str = "") -> Iterator[tuple[str, click.Parameter]]:
    """Every option of every command, with the command's words."""
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            yield from options(found, f"{path} {name}".strip())
    for one in command.params:
        yield path, one


def test_no_command_reads_a_time_in_a_way_of_its_own() -> None:
    """click's own DateTime knows neither milliseconds nor zones; stretches are `asked_window`'s, which reads alike."""
    every = list(options(group))
    assert not [(path, one.name) for path, one in every if isinstance(one.type, click.DateTime)]
    single = {(path, one.name) for path, one in every if one.type is MOMENT}
    assert single >= {("budgets show", "at"), ("forecast", "at"), ("prices show", "at"), ("rejects list", "since")}


@pytest.mark.parametrize("text", ["2026-03-02T00:00:00.250Z", "1772409600250", DAY + 250])
def test_an_option_takes_milliseconds(text: object) -> None:
    assert MOMENT.convert(text, None, None) == DAY + 250


def test_an_option_refuses_what_is_no_time() -> None:
    with pytest.raises(click.UsageError, match="'noon' is no time: write a day as"):
        MOMENT.convert("noon", None, None)
