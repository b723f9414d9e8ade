"""How people read money (integers of 1e-12 USD): two decimals, shares, changes. Exact amounts: `streams.money`."""

from __future__ import annotations

from streams.money import PICO


def shown(amount: int) -> str:
    """Two decimals with thousands apart, half up; what is more than nothing never shows as nothing: `<0.01`."""
    cents = (abs(amount) + PICO // 200) // (PICO // 100)
    if amount and not cents:
        return "<0.01" if amount > 0 else ">-0.01"
    return f"{'-' if amount < 0 else ''}{cents // 100:,}.{cents % 100:02d}"


def percent(part: int, whole: int) -> str:
    """`part` of `whole` with one decimal, `12.3 %`; a dash when there is no whole."""
    return f"{_tenths(part, whole)} %" if whole else "–"


def change(now: int, before: int) -> str:
    """How `now` differs from `before`: `+12.3 %`, `new` when there was nothing before, a dash when there is nothing."""
    if not before:
        return "new" if now else "–"
    text = _tenths(now - before, before)
    return f"{text if text.startswith('-') else '+' + text} %".replace("-", "−")


def _tenths(part: int, whole: int) -> str:
    tenths = (abs(part) * 2000 + whole) // (2 * whole)
    sign = "-" if part < 0 and tenths else ""
    return f"{sign}{tenths // 10:,}.{tenths % 10}"


def short(count: int) -> str:
    """A count in few characters: `950`, `12.3 k`, `4.56 M`, `2.99 bn`."""
    for size, unit in ((10**9, "bn"), (10**6, "M"), (10**4, "k")):
        if count >= size:
            scale = 1000 if unit == "k" else size
            value = count / scale
            return f"{value:,.{2 if value < 10 else 1 if value < 100 else 0}f} {unit}"
    return f"{count:,}"
