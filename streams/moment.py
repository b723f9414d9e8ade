"""The one way in which options of commands name a time: a day, an instant of RFC 3339, or epoch milliseconds. UTC."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime

from schemas.times import EARLIEST_MS, LATEST_MS, parse_rfc3339

DAY_MS = 86_400_000

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_DIGITS = re.compile(r"\d{1,16}", re.ASCII)
_NO_SECONDS = re.compile(r"(\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2})([Zz]|[+-]\d{2}:\d{2})", re.ASCII)
_NO_ZONE = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?", re.ASCII)


def read_moment(text: str) -> tuple[int, int]:
    """(epoch ms, length in ms): a day (`2026-01-31`, UTC) is as long as a day; what is shorter has no length.

    Instants have a zone (`2026-01-31T09:30:00.250Z`, `...T09:30+01:00`); integers are epoch milliseconds. Digits below
    the millisecond are cut off. Raises `ValueError` whose text says what was given and what to write.
    """
    length = 0
    at: int | None
    if _DAY.fullmatch(text):
        length = DAY_MS
        try:
            day = date.fromisoformat(text)
            at = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1000
        except ValueError:
            at = None
    elif _DIGITS.fullmatch(text):
        at = int(text)
    else:
        short = _NO_SECONDS.fullmatch(text)
        at = parse_rfc3339(f"{short[1]}:00{short[2]}" if short else text)
    if at is None or not EARLIEST_MS <= at < LATEST_MS:
        raise ValueError(f"{text!r} is no time: {_advice(text, at)}")
    return at, length


def _advice(text: str, at: int | None) -> str:
    if at is not None and _DIGITS.fullmatch(text):
        return "epoch milliseconds have 13 digits (seconds have 10)"
    if at is not None:
        return "it must lie from 2015 to 2099"
    if _NO_ZONE.fullmatch(text):
        return "it lacks a zone: write Z at its end for UTC"
    return "write a day as 2026-01-31, an instant as 2026-01-31T09:30:00Z, or epoch milliseconds"
