"""Calls priced by sums are priced as one by one: the same figures to the last digit, whatever the prices."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streams.export.groups import marks
from streams.ledger.client import Database
from streams.ledger.migrate import migrate
from streams.meter.price import Pricer, load_aliases, load_book, parse_overrides
from streams.outcomes.period import DAY_MS, Span
from streams.savings.repriced import Repriced, by_call, by_group, is_linear, reprice
from tests.fakes import BASE_MS, call
from tests.integration.outcome_ledger import Door, write_calls

SPAN = Span(BASE_MS // DAY_MS * DAY_MS, BASE_MS // DAY_MS * DAY_MS + 3 * DAY_MS)
ASKED = {**SPAN.parameters, "evaluator": "", "task_class": "routine", "tier": "frontier", "agents": ["a", "b"]}
BOOK, ALIASES = load_book(), load_aliases()


def calls() -> list[dict[str, Any]]:
    """With and without output, cached tokens and a price; long ones, and some whose counts contradict each other."""
    rng = random.Random(16)
    made = []
    for at in range(400):
        tokens = rng.choice([0, 1, 999, 1000, 1001, rng.randrange(400_000)])
        read = rng.randrange(tokens + 1)
        model = rng.choice([("openai", "gpt-4o"), ("openai", "gpt-4o"), ("in-house", "nobody prices it")])
        fields = {
            "time": SPAN.first_ms + rng.choice([0, 1, DAY_MS, 2 * DAY_MS, rng.randrange(3 * DAY_MS)]),
            "agent_id": rng.choice(["a", "b", "c"]), "tier": "frontier", "task_class": "routine",
            "provider_name": model[0], "request_model": model[1], "input_tokens": tokens,
            "cache_read_input_tokens": read, "cache_write_input_tokens": rng.randrange(tokens - read + 1),
            "output_tokens": rng.choice([0, rng.randrange(9000)]),
        }  # fmt: skip
        if rng.random() < 0.05:
            fields["cache_read_input_tokens"] = tokens + 1
        made.append(call(f"c-{at}", **fields))
    return made


@pytest.fixture
def door(database: Database, chdb_url: str) -> Iterator[Door]:
    migrate(database)
    write_calls(database, calls())
    door = Door(database, chdb_url)
    yield door
    door.close()


def usd(places: int) -> st.SearchStrategy[str]:
    return st.decimals(0, 100, places=places, allow_nan=False).map(lambda price: f'"{price}"')


@st.composite
def price_files(draw: st.DrawFn) -> str:
    """Prices of one model: cached tokens and long inputs apart or not, and others from some time on."""
    places = draw(st.sampled_from([2, 6, 6, 9]))
    start = datetime.fromtimestamp(SPAN.first_ms / 1000, UTC)
    change = start + timedelta(milliseconds=draw(st.integers(0, 3 * DAY_MS)))
    parts = []
    for bound in draw(st.sampled_from([("",), ("to", "from")])):
        parts.append('[[price]]\nmodel = "cheap"\n' + (f"{bound} = {change.isoformat()}\n" if bound else ""))
        names = ["input", "output", *draw(st.lists(st.sampled_from(["cache_read", "cache_write"]), unique=True))]
        parts += [f"{name} = {draw(usd(places))}\n" for name in names]
        for above in sorted(draw(st.sets(st.sampled_from([0, 1000, 200_000]), max_size=2))):
            parts.append(f"[[price.above]]\ninput_tokens = {above}\n")
            parts += [f"{name} = {draw(usd(places))}\n" for name in names]
    return "".join(parts)


def agree(door: Door, pricer: Pricer, model: tuple[str, str]) -> tuple[bool, Repriced]:
    """Whether the price is linear; the figures, which are the same both ways when it is."""
    agents = ("a", "b")
    one_by_one = by_call(door, pricer, ASKED, model)
    sheet = pricer.sheet(*model)
    if is_linear(sheet):
        assert by_group(door, sheet, marks([sheet]), ASKED) == one_by_one
    assert reprice(door, pricer, SPAN, "", "routine", "frontier", agents, model) == one_by_one
    return is_linear(sheet), one_by_one


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(price_files())
def test_sums_are_priced_as_calls_are(door: Door, text: str) -> None:
    agree(door, Pricer(BOOK, parse_overrides(text, "prices.toml"), ALIASES), ("in-house", "cheap"))


@pytest.mark.parametrize(
    ("model", "linear"),
    [
        (("openai", "gpt-4o-mini"), True),
        (("google", "gemini-2.5-pro"), True),
        (("deepseek", "deepseek-chat"), True),
        (("in-house", "nobody prices it"), True),
        (("in-house", "fine"), False),
        (("in-house", "hourly"), False),
    ],
)
def test_prices_of_every_kind(door: Door, model: tuple[str, str], linear: bool) -> None:
    text = (
        '[[price]]\nmodel = "fine"\ninput = "0.0000001"\noutput = "1.00"\n'
        '[[price]]\nmodel = "hourly"\nper_hour = "12.50"\n'
    )
    was_linear, found = agree(door, Pricer(BOOK, parse_overrides(text, "prices.toml"), ALIASES), model)
    assert was_linear == linear
    assert found.left_out > 0
    assert (found.calls > 100) == (model[1] not in {"nobody prices it", "hourly"})


def test_a_call_that_could_be_too_dear_is_looked_at_by_itself(door: Door) -> None:
    text = '[[price]]\nmodel = "dear"\ninput = "1000000"\noutput = "1000000"\n'
    pricer = Pricer(BOOK, parse_overrides(text, "prices.toml"), ALIASES)
    sheet = pricer.sheet("in-house", "dear")
    assert is_linear(sheet)
    assert by_group(door, sheet, marks([sheet]), ASKED) is None
    one_by_one = by_call(door, pricer, ASKED, ("in-house", "dear"))
    found = reprice(door, pricer, SPAN, "", "routine", "frontier", ("a", "b"), ("in-house", "dear"))
    assert found == one_by_one
    assert found.calls > 100
