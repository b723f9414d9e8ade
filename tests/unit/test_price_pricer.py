"""The batch: limits of arithmetic, bad counts, bounded memory, dictionary-encoded columns."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.meter.price import STATUSES, Overrides, Priced, Pricer, load_aliases, load_book, parse_overrides
from streams.meter.price.table import MAX_PICO

NOW_MS = 1_767_225_600_000  # 2026-01-01
BOOK, ALIASES = load_book(), load_aliases()
INT64 = st.integers(-(2**63), 2**63 - 1)
COUNTS = st.one_of(st.integers(0, 2_000_000), st.integers(0, 10**13), INT64)


def calls(
    pricer: Pricer, names: list[tuple[str | None, str]], tokens: list[tuple[int, int, int, int]], time_ms: int = NOW_MS
) -> Priced:
    """Price calls with no response model, all at one time."""
    columns = [np.array(column, dtype=np.int64) for column in zip(*tokens, strict=True)]
    times = np.full(len(names), time_ms, dtype=np.int64)
    return pricer.price([p for p, _ in names], [m for _, m in names], [None] * len(names), times, *columns)


def status(out: Priced, at: int = 0) -> str:
    """The status name of one call."""
    return out.statuses[int(out.status[at])]


def test_token_classes_are_disjoint() -> None:
    """Cached tokens are taken out of the input and charged at their own prices; the figures are Anthropic's list."""
    out = calls(Pricer(BOOK, Overrides(), ALIASES), [("anthropic", "claude-opus-4-5-20251101")], [(1000, 50, 600, 300)])
    usd = Decimal(100 * 5 + 600 * Decimal("0.5") + 300 * Decimal("6.25") + 50 * 25) / 1_000_000
    assert int(out.cost_pico[0]) == usd * 10**12
    assert out.sources[int(out.source[0])].startswith("genai-prices ")
    assert out.refs[int(out.ref[0])] == "anthropic/claude-opus-4-5"


@pytest.mark.parametrize(
    ("tokens", "expected"),
    [
        ((100, 10, 60, 40), "priced"),
        ((100, 10, 60, 41), "bad_tokens"),
        ((-1, 10, 0, 0), "bad_tokens"),
        ((100, -1, 0, 0), "bad_tokens"),
        ((100, 1, -5, 0), "bad_tokens"),
        ((-(2**63), 1, 2**62, 2**62), "too_large"),
        ((-(2**63), 1, 10**12, 0), "bad_tokens"),  # the uncached rest wraps round to a positive count
        ((10**12 + 1, 1, 0, 0), "too_large"),
        ((2**63 - 1, 2**63 - 1, 0, 0), "too_large"),
        ((0, 0, 0, 0), "priced"),
    ],
)
def test_absurd_counts_are_unpriced_with_a_reason(tokens: tuple[int, int, int, int], expected: str) -> None:
    """Whatever arrives, a call has a right figure or none."""
    out = calls(
        Pricer(BOOK, Overrides(), ALIASES),
        [("anthropic", "claude-opus-4-5"), ("openai", "gpt-4o")],
        [tokens, (7, 1, 0, 0)],
    )
    assert status(out) == expected
    assert status(out, 1) == "priced"
    assert bool(out.priced[0]) == (expected == "priced")
    if expected != "priced":
        assert (int(out.cost_pico[0]), out.sources[int(out.source[0])], out.refs[int(out.ref[0])]) == (0, "", "")


def test_the_largest_figure_is_priced_and_the_next_is_not() -> None:
    """999,999.999999999999 USD fits Decimal(18, 12); one pico-USD more does not."""
    text = '[[price]]\nmodel = "dear"\ninput = "1000000"\noutput = "0.000001"\n'
    pricer = Pricer(BOOK, parse_overrides(text, "prices.toml"), ALIASES)
    out = calls(pricer, [(None, "dear")] * 3, [(999_999, 10**12 - 1, 0, 0), (999_999, 10**12, 0, 0), (10**12, 1, 0, 0)])
    assert int(out.cost_pico[0]) == MAX_PICO
    assert [status(out, at) for at in range(3)] == ["priced", "too_large", "too_large"]


@settings(max_examples=400, deadline=None)
@given(
    prices=st.tuples(*[st.decimals(0, 1_000_000, places=12, allow_nan=False)] * 4),
    tokens=st.lists(st.tuples(COUNTS, COUNTS, COUNTS, COUNTS), min_size=1, max_size=8),
)
def test_no_arithmetic_wraps_or_rounds_twice(
    prices: tuple[Decimal, ...], tokens: list[tuple[int, int, int, int]]
) -> None:
    """Any price an operator may set and any 64-bit counts: equal to exact fractions, rounded once, half to even."""
    keys = ("input", "output", "cache_read", "cache_write")
    text = '[[price]]\nmodel = "m"\n' + "".join(f'{key} = "{price}"\n' for key, price in zip(keys, prices, strict=True))
    out = calls(Pricer(BOOK, parse_overrides(text, "f"), ALIASES), [(None, "m")] * len(tokens), tokens)
    for at, (paid, output, read, write) in enumerate(tokens):
        classes = (paid - read - write, output, read, write)
        if max(paid, output, read, write) > 10**12:
            assert status(out, at) == "too_large"
        elif min(*classes, paid) < 0:
            assert status(out, at) == "bad_tokens"
        else:
            pico = round(sum(Fraction(price) * 10**6 * count for price, count in zip(prices, classes, strict=True)))
            assert status(out, at) == ("priced" if pico <= MAX_PICO else "too_large")
            assert int(out.cost_pico[at]) == (pico if pico <= MAX_PICO else 0)


def test_a_flood_of_names_keeps_memory_bounded_and_daily_names_stay() -> None:
    """20,000 invented names with a cap of 100: the names kept stay bounded, and prices stay right."""
    pricer = Pricer(BOOK, Overrides(), ALIASES, cap=100)
    for batch in range(200):
        invented: list[tuple[str | None, str]] = [("openai", f"no-such-model-{batch}-{at}") for at in range(100)]
        # Names that a pattern of the book matches: priced, but no new sheet each.
        decorated: list[tuple[str | None, str]] = [("anthropic", f"claude-3-5-sonnet-{batch}")]
        out = calls(pricer, [*invented, *decorated, ("openai", "gpt-4o")], [(1000, 1, 0, 0)] * 102)
        assert [status(out, at) for at in (0, 100, 101)] == ["unknown_model", "priced", "priced"]
        assert pricer.kept() <= 2 * (100 + 102)
    assert out.refs == ("", "anthropic/claude-3-5-sonnet", "openai/gpt-4o")
    assert len(pricer._table.sheets) == 3


def test_huge_names_are_answered_and_not_kept() -> None:
    """A megabyte of model name is no reason to keep a megabyte."""
    pricer = Pricer(BOOK, Overrides(), ALIASES)
    assert status(calls(pricer, [("openai", "x" * 1_000_000)], [(1, 1, 0, 0)])) == "unknown_model"
    assert pricer.kept() == 0


def test_an_empty_batch_is_an_empty_answer() -> None:
    """No calls, no columns, no fault."""
    none = np.zeros(0, dtype=np.int64)
    out = Pricer(BOOK, Overrides(), ALIASES).price([], [], [], none, none, none, none, none)
    assert len(out.cost_pico) == len(out.priced) == len(out.status) == len(out.source) == len(out.ref) == 0


def test_a_batch_is_the_sum_of_its_calls() -> None:
    """Order and company change nothing: 600 mixed calls at once equal the same calls one by one, reversed."""
    random = np.random.default_rng(3)
    kinds: list[tuple[str | None, str]] = [
        ("google", "gemini-3-pro-preview"),
        ("deepseek", "deepseek-reasoner"),
        ("openai", "gpt-4o"),
        ("openrouter", "google/gemini-2.5-flash"),
        ("other", "kimi"),
        ("x-ai", "grok-4"),
        ("perplexity", "sonar-pro"),
        ("aliyun", "qwen-m-large"),
        (None, "claude-sonnet-4-5"),
    ]
    names = [kinds[at] for at in random.integers(0, len(kinds), 600)]
    paid = random.integers(0, 400_000, 600)
    tokens = [
        (int(p), int(o), int(p) // 3, int(p) // 5) for p, o in zip(paid, random.integers(0, 9_000, 600), strict=True)
    ]
    times = random.integers(1_735_689_600_000, NOW_MS, 600)
    columns = [np.array(column, dtype=np.int64) for column in zip(*tokens, strict=True)]
    pricer = Pricer(BOOK, Overrides(), ALIASES)
    whole = pricer.price([p for p, _ in names], [m for _, m in names], [None] * 600, times, *columns)
    fresh = Pricer(BOOK, Overrides(), ALIASES)
    for at in reversed(range(600)):
        one = calls(fresh, [names[at]], [tokens[at]], int(times[at]))
        assert int(one.cost_pico[0]) == int(whole.cost_pico[at])
        assert status(one) == status(whole, at)
        assert one.refs[int(one.ref[0])] == whole.refs[int(whole.ref[at])]
    assert set(np.unique(whole.status)) == {STATUSES.index(s) for s in ("priced", "unknown_provider", "unknown_seller")}


@pytest.mark.parametrize(
    ("provider", "model", "output", "expected"),
    [
        ("openai", "whisper-1", 0, "no_token_price"),
        ("openai", "text-embedding-3-small", 0, "priced"),
        ("openai", "text-embedding-3-small", 5, "no_output_price"),
        ("openrouter", "deepseek/deepseek-r1:free", 5, "free"),
        ("cerebras", "qwen-3-coder-480b", 5, "no_token_price"),
        ("aliyun", "qwen-m-large", 5, "unknown_provider"),
        ("other", "kimi", 5, "unknown_seller"),
        ("anthropic", "no-such-model", 5, "unknown_model"),
    ],
)
def test_unpriced_is_not_zero_and_free_is_said(provider: str, model: str, output: int, expected: str) -> None:
    """Where the library answers 0 for want of a price, the call is unpriced; where the book says free, it is free."""
    out = calls(Pricer(BOOK, Overrides(), ALIASES), [(provider, model)], [(100, output, 0, 0)])
    assert status(out) == expected
    assert bool(out.priced[0]) == (expected in ("priced", "free"))


def test_a_fee_a_request_is_charged_once_a_call() -> None:
    """Perplexity's Sonar Pro: 14 USD per thousand requests beside the tokens."""
    out = calls(Pricer(BOOK, Overrides(), ALIASES), [("perplexity", "sonar-pro")], [(0, 0, 0, 0)])
    assert int(out.cost_pico[0]) == 14 * 10**9
