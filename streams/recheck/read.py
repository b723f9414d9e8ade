"""Read a ledger's calls in event order, page by page.

Contract: every call of the view `calls` before `until_ms` once, in (time, id, source) order, whatever the order and
the partition in which they arrived. Memory, here and in the engine: one page. Each statement reads one stretch of
time (whole hours that hold less than a page; a fuller hour by pages), so that the engine sorts no more than that.
Blocks. Known limit: no snapshot; beside a running worker, calls that come meanwhile may be in or not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import msgspec

from streams.ledger.sqlfiles import named_query

if TYPE_CHECKING:
    from streams.cli.reach import Ledger

HOUR_MS = 3_600_000

PAGE = 100_000
"""Calls of one statement: some 25 MB on the way and 60 MB as objects; the endpoint of an embedded ledger gives 256 MB
at most.
"""


class LedgerCall(msgspec.Struct, array_like=True, gc=False):
    """What the detector sees of a call (`streams.detect.call.Seen`), its price and its source.

    `time`: epoch ms. `cost_pico`: pico-USD, None where unpriced. The order of the fields is that of
    `sql/queries/recheck_calls.sql`.
    """

    id: str
    time: int
    agent_id: str
    request_model: str
    input_tokens: int
    output_tokens: int
    run_id: str | None
    parent_agent_id: str | None
    provider_name: str | None
    status: str | None
    attempt: int | None
    retry_of: str | None
    request_fingerprint: str | None
    cost_pico: int | None
    source: str


_decode = msgspec.json.Decoder(LedgerCall).decode_lines


def hours(ledger: Ledger) -> list[tuple[int, int]]:
    """(start in epoch ms, calls) of each hour that holds calls, oldest first."""
    return [(int(start), int(calls)) for start, calls in ledger.rows(named_query("recheck_hours"))]


def newest_ms(ledger: Ledger, last_hour: int) -> int:
    """Time of the last call; `last_hour`: start of the last hour that holds any. Both epoch ms."""
    [[newest]] = ledger.rows(named_query("recheck_newest"), {"hour": last_hour})
    return int(newest)


def stretches(spread: Sequence[tuple[int, int]], page: int, until_ms: int | None = None) -> Iterator[tuple[int, int]]:
    """(start, end) in epoch ms of stretches that cover all hours of `spread` before `until_ms`, in order.

    Each holds less than `page` calls, or is one hour.
    """
    begin: int | None = None
    end = held = 0
    for start, calls in spread:
        if until_ms is not None and start >= until_ms:
            break
        if begin is not None and held + calls >= page:
            yield begin, end
            begin = None
        if begin is None:
            begin, held = start, 0
        held += calls
        end = start + HOUR_MS if until_ms is None else min(start + HOUR_MS, until_ms)
    if begin is not None:
        yield begin, end


def read_calls(
    ledger: Ledger, spread: Sequence[tuple[int, int]], until_ms: int | None = None, page: int = PAGE
) -> Iterator[list[LedgerCall]]:
    """The calls of the hours `spread` before `until_ms`, in order, at most `page` at a time.

    Raises `LedgerError` or `Unavailable`.
    """
    from streams.cli.reach import JSON_SETTINGS

    sql = named_query("recheck_calls")
    for start, end in stretches(spread, page, until_ms):
        after: dict[str, int | str] = {"at": start, "id": "", "source": ""}
        while True:
            asked = {**after, "end": end, "page": page}
            calls = _decode(ledger.text(sql, "JSONCompactEachRow", asked, JSON_SETTINGS))
            if calls:
                yield calls
            if len(calls) < page:
                break
            last = calls[-1]
            after = {"at": last.time, "id": last.id, "source": last.source}
