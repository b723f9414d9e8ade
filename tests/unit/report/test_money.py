"""Money for the eye: rounded to cents, never to nothing."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Context, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.money import exact, pico
from streams.report.money import change, percent, short, shown

EXACT = Context(prec=60)


@given(st.integers(min_value=0, max_value=10**30))
def test_two_decimals_are_the_decimals_rounded_half_up(amount: int) -> None:
    rounded = Decimal(exact(amount)).quantize(Decimal("0.01"), ROUND_HALF_UP, EXACT)
    expected = "<0.01" if amount and not rounded else f"{rounded:,.2f}"
    assert shown(amount) == expected


@pytest.mark.parametrize(
    ("amount", "text"),
    [("0", "0.00"), ("0.005", "0.01"), ("0.004999999999", "<0.01"), ("-0.001", ">-0.01"), ("-1234.5", "-1,234.50"),
     ("13108.0396221", "13,108.04")],
)  # fmt: skip
def test_shown(amount: str, text: str) -> None:
    assert shown(pico(amount)) == text


@pytest.mark.parametrize(
    ("now", "before", "text"),
    [(150, 100, "+50.0 %"), (50, 100, "−50.0 %"), (100, 100, "+0.0 %"), (0, 100, "−100.0 %"), (5, 0, "new"),
     (0, 0, "–"), (100_000, 1, "+9,999,900.0 %"), (99_999, 100_000, "+0.0 %")],
)  # fmt: skip
def test_change(now: int, before: int, text: str) -> None:
    assert change(now, before) == text


def test_percent_and_short() -> None:
    assert percent(1, 3) == "33.3 %"
    assert percent(1, 0) == "–"
    assert [short(n) for n in (0, 9_999, 12_345, 4_560_000, 2_993_324_149)] == [
        "0",
        "9,999",
        "12.3 k",
        "4.56 M",
        "2.99 bn",
    ]
