"""The outbox of notices: what is put here is told to people by a duty, once, whatever happens in between.

    NoticeBox(database).put([Notice(...)])

Putting a notice whose id is known changes nothing. Blocking; may be used by several threads.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import pyarrow as pa

from streams.alert.notice import Notice
from streams.ledger.client import Database

COLUMNS: Final = (
    ("id", "String"),
    ("subject", "String"),
    ("change", "LowCardinality(String)"),
    ("severity", "String"),
    ("title", "String"),
    ("body", "String"),
    ("team_id", "LowCardinality(String)"),
    ("tier", "LowCardinality(String)"),
    ("at", "DateTime64(3, 'UTC')"),
    ("links", "Map(String, String)"),
    ("labels", "Map(String, String)"),
    ("resolved", "Bool"),
    ("recorded_at", "DateTime64(3, 'UTC')"),
)
_MAP: Final = pa.map_(pa.string(), pa.string())
_TIME: Final = pa.timestamp("ms", "UTC")
_SCHEMA: Final = pa.schema(
    [
        (name, _TIME if kind.startswith("DateTime64") else _MAP if kind.startswith("Map") else pa.string())
        if kind != "Bool"
        else (name, pa.bool_())
        for name, kind in COLUMNS
    ]
)


class NoticeBox:
    """See the module."""

    def __init__(
        self,
        database: Database,
        *,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        on_put: Callable[[], None] = lambda: None,
    ) -> None:
        """`on_put` is called after something new was put: whoever delivers can be woken by it."""
        self._database = database
        self._now_ms = now_ms
        self._on_put = on_put

    def put(self, notices: Sequence[Notice]) -> int:
        """Put what is not there yet; returns how many that were. Raises `Unavailable`: then put all again."""
        fresh = {notice.id: notice for notice in reversed(notices)}  # of two with one id the first counts
        if fresh:
            for (known,) in self._database.rows(
                "SELECT DISTINCT id FROM notice_rows WHERE id IN {ids:Array(String)}", {"ids": list(fresh)}
            ):
                fresh.pop(str(known), None)
        if not fresh:
            return 0
        ordered = [fresh[id_] for id_ in sorted(fresh)]
        recorded = self._now_ms()
        data = pa.Table.from_pylist([_row(notice, recorded) for notice in ordered], schema=_SCHEMA)
        token = "notices-" + hashlib.blake2b("\0".join(sorted(fresh)).encode(), digest_size=16).hexdigest()
        self._database.insert("notice_rows", COLUMNS, data, token=token)
        self._on_put()
        return len(ordered)


def _row(notice: Notice, recorded_ms: int) -> dict[str, Any]:
    return {
        "id": notice.id,
        "subject": notice.subject,
        "change": notice.change,
        "severity": notice.severity,
        "title": notice.title,
        "body": notice.body,
        "team_id": notice.team_id,
        "tier": notice.tier,
        "at": notice.at_ms,
        "links": list(notice.links.items()),
        "labels": list(notice.labels.items()),
        "resolved": notice.resolved,
        "recorded_at": recorded_ms,
    }
