"""The edges of money: exact both ways, of any size, in one spelling each."""

from __future__ import annotations

from decimal import Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.money import PICO, exact, pico, plain, usd

amounts = st.integers(min_value=-(10**38 - 1), max_value=10**38 - 1)
"""All that a `Decimal(38, 12)` can hold."""


@given(amounts)
def test_every_spelling_reads_back(amount: int) -> None:
    assert pico(exact(amount)) == pico(plain(amount)) == pico(usd(amount)) == amount


@given(amounts)
def test_the_spellings_agree(amount: int) -> None:
    assert f"{usd(amount):f}" == exact(amount)
    assert Decimal(plain(amount)) == usd(amount)


@given(amounts, st.integers(min_value=1, max_value=20))
def test_the_callers_context_rounds_nothing(amount: int, digits: int) -> None:
    with localcontext() as context:
        context.prec = digits
        assert usd(amount).as_tuple().exponent == -12
        assert pico(usd(amount)) == amount


@given(st.decimals(min_value=-(10**20), max_value=10**20, places=12, allow_nan=False))
def test_the_ledgers_decimals_are_read_exactly(amount: Decimal) -> None:
    text = f"{amount:f}".rstrip("0").rstrip(".")
    assert usd(pico(text)) == usd(pico(amount)) == amount


@pytest.mark.parametrize(
    ("amount", "whole", "short"),
    [(0, "0.000000000000", "0.00"), (1, "0.000000000001", "0.000000000001"), (-1, "-0.000000000001", "-0.000000000001"),
     (PICO, "1.000000000000", "1.00"), (-3 * PICO // 2, "-1.500000000000", "-1.50"),
     (13_108_039_622_100_000, "13108.039622100000", "13108.0396221")],
)  # fmt: skip
def test_spellings(amount: int, whole: str, short: str) -> None:
    assert (exact(amount), plain(amount)) == (whole, short)


@pytest.mark.parametrize(
    ("text", "amount"),
    [("5", 5 * PICO), ("-0.5", -PICO // 2), ("0.000000000001", 1), ("-1.25", -1_250_000_000_000), ("0", 0), ("-0", 0),
     (Decimal("0E-12"), 0), (Decimal("1E+3"), 1000 * PICO), (Decimal("1E-12"), 1)],
)  # fmt: skip
def test_what_is_read(text: object, amount: int) -> None:
    assert pico(text) == amount


@pytest.mark.parametrize("text", ["0.0000000000001", Decimal("1E-13"), "1.0000000000000"])
def test_what_is_finer_than_the_unit_is_no_amount(text: object) -> None:
    with pytest.raises(ValueError, match="finer than 1e-12 USD"):
        pico(text)
