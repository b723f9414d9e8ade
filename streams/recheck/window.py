"""Which part of the ledger `--from` and `--to` ask for: days or instants, in UTC."""

from __future__ import annotations

from streams.errors import UsageError
from streams.moment import read_moment


def asked_window(first: str | None, last: str | None) -> tuple[int | None, int | None]:
    """(from, until) in epoch ms, `until` exclusive; None where nothing is asked.

    A day as `last` belongs to it, an instant does not. Raises `UsageError` with what is wrong.
    """
    start = None if first is None else _instant(first, "--from")[0]
    end = None
    if last is not None:
        at, length = _instant(last, "--to")
        end = at + length
    if start is not None and end is not None and end <= start:
        raise UsageError(f"--to {last} lies before --from {first}")
    return start, end


def _instant(text: str, option: str) -> tuple[int, int]:
    try:
        return read_moment(text)
    except ValueError as error:
        raise UsageError(f"{option} {error}") from None
