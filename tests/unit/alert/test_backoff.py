"""How long a channel that failed is left alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.alert.backoff import FIRST_MS, MOST_MS, wait_ms


@given(st.integers(1, 10_000), st.text(max_size=20))
def test_it_doubles_to_its_most_and_varies_by_a_quarter(attempt: int, key: str) -> None:
    whole = min(MOST_MS, FIRST_MS * 2 ** min(attempt - 1, 30))
    assert whole * 3 // 4 <= wait_ms(attempt, key) <= whole
    assert wait_ms(attempt, key) == wait_ms(attempt, key)


@given(st.integers(1, 50), st.floats(min_value=0, max_value=10**9))
def test_the_receivers_word_is_heard_within_an_hour(attempt: int, asked: float) -> None:
    wait = wait_ms(attempt, "k", asked)
    assert wait >= min(asked, 3600) * 1000 - 1
    assert wait <= 3_600_000


def test_keys_spread() -> None:
    assert len({wait_ms(5, str(number)) for number in range(100)}) > 90


def test_attempts_count_from_one() -> None:
    with pytest.raises(ValueError, match="from 1"):
        wait_ms(0, "k")
