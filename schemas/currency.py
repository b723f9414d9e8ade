"""Which currencies an operator's file may name: the one that the ledger holds."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import AfterValidator

CURRENCIES: Final = frozenset({"USD"})
"""Spendstream counts in USD only and converts nothing: rates change, and a sum in two currencies is none."""


def known_currency(value: str) -> str:
    """The currency, if the ledger holds it. Raises `ValueError` that says what to do."""
    if value not in CURRENCIES:
        raise ValueError(f"{value!r} is no currency that the ledger holds: amounts are in USD, convert them")
    return value


Currency = Annotated[str, AfterValidator(known_currency)]
"""Optional in every file of amounts, at its top and in each entry; whoever writes another one is told to convert."""
