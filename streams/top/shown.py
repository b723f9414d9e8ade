"""Figures as people read them: short, aligned, never rounded to nothing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal

_BLOCKS = "▁▂▃▄▅▆▇█"
_EIGHTHS = " ▏▎▍▌▋▊▉"


def count(number: float) -> str:
    """At most six characters: 999, 12.3k, 4.56M, 7.89G, 1.23T."""
    if abs(number) < 1000:
        return f"{number:.0f}"
    unit = ""
    for unit in ("k", "M", "G", "T", "P"):  # noqa: B007
        number /= 1000
        if abs(number) < 999.5:
            break
    digits = 2 if abs(number) < 9.995 else 1 if abs(number) < 99.95 else 0
    return f"{number:.{digits}f}{unit}"


def money(usd: Decimal) -> str:
    """Dollars with the places that matter: 12,345, 123.45, 0.0123; 0 only for nothing at all."""
    if usd == 0:
        return "0"
    size = abs(usd)
    if size >= 10_000:
        return f"{usd:,.0f}" if size < 10_000_000 else f"{count(float(usd))}"
    if size >= Decimal("0.995"):
        return f"{usd:,.2f}"
    if size >= Decimal("0.0001"):
        return f"{usd:.4f}"
    return "<0.0001" if usd > 0 else ">-0.0001"


def sparkline(values: Sequence[float]) -> str:
    """One character a value, the greatest full; nothing is a blank, and what is more than nothing is never blank."""
    most = max(values, default=0.0)
    if most <= 0:
        return " " * len(values)
    last = len(_BLOCKS) - 1
    return "".join(" " if value <= 0 else _BLOCKS[min(last, int(value / most * len(_BLOCKS)))] for value in values)


def bars(value: Decimal, most: Decimal, width: int) -> str:
    """A bar of `width` characters at `most`, in eighths of a character."""
    if most <= 0 or value <= 0:
        return ""
    eighths = max(1, int(value / most * width * 8))
    return "█" * (eighths // 8) + (_EIGHTHS[eighths % 8] if eighths % 8 else "")


def clock(ms: int, seconds: bool = True) -> str:
    """`14:02:10`, UTC."""
    return format(datetime.fromtimestamp(ms / 1000, UTC), "%H:%M:%S" if seconds else "%H:%M")


def day(ms: int) -> str:
    """`2026-11-22 14:02:10`, UTC."""
    return format(datetime.fromtimestamp(ms / 1000, UTC), "%Y-%m-%d %H:%M:%S")


def apart(ms: int) -> str:
    """A length of time in its largest unit: `40 s`, `12 min`, `5 h`, `21 days`."""
    seconds = abs(ms) / 1000
    for unit, size in (("days", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
