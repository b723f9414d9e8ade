"""The edges of money: inside, an integer of 1e-12 USD (pico-USD); outside, the ledger's decimal or text. All exact.

Every amount that is stored, sent or printed as data passes through here, so that the same amount has one spelling.
What people read, rounded to cents, is in `streams.report.money`.
"""

from __future__ import annotations

from decimal import Context, Decimal

PICO = 10**12
"""Units in one USD: the ledger's `Decimal(38, 12)` has twelve decimals, so integers of them add without rounding."""

PLACES = 12

_WIDE = Context(prec=100)
"""Wider than every amount: the caller's context, 28 digits unless set, would round a large one without a word."""


def pico(usd: object) -> int:
    """The ledger's decimal, as `Decimal` or as text such as `13108.0396221`, as an integer of 1e-12 USD.

    Raises `ValueError` for more than twelve places, which the ledger never has.
    """
    text = f"{usd:f}" if isinstance(usd, Decimal) else str(usd)
    whole, _, part = text.partition(".")
    if len(part) > PLACES:
        raise ValueError(f"{text} is finer than 1e-12 USD")
    units = int(whole.lstrip("-") or "0") * PICO + int(part.ljust(PLACES, "0"))
    return -units if whole.startswith("-") else units


def usd(amount: int) -> Decimal:
    """Pico-USD as the ledger's decimal, always with twelve places."""
    return Decimal(amount).scaleb(-PLACES, _WIDE)


def exact(amount: int) -> str:
    """Pico-USD as text with all twelve decimals: `13108.039622100000`."""
    whole, part = divmod(abs(amount), PICO)
    return f"{'-' if amount < 0 else ''}{whole}.{part:012d}"


def plain(amount: int) -> str:
    """Pico-USD as text, as exact, with as few decimals as that takes but at least two: `13108.0396221`, `5.00`."""
    whole, part = divmod(abs(amount), PICO)
    return f"{'-' if amount < 0 else ''}{whole}.{f'{part:012d}'.rstrip('0').ljust(2, '0')}"
