"""Every change of every control, in the ledger: who, when, why. All blocking; may be used by several threads.

    ControlBook(database).change(Change("run", "run-42", "enforce", "block", "inc-1f", by="ada"), now_ms)

Whoever wants routers to do something calls this; a duty publishes what stands here. A change that leaves all as it is
(the same again, a release of what is released) writes nothing.
"""

from __future__ import annotations

import threading
from dataclasses import replace
from decimal import Decimal
from typing import Any, Final

import pyarrow as pa

from streams.controls.control import Change, Standing, control_id
from streams.ledger.client import Database

_TIME: Final = "DateTime64(3, 'UTC')"
_COLUMNS: Final = (
    ("id", "String"),
    ("number", "UInt64"),
    ("scope", "String"),
    ("subject", "String"),
    ("mode", "String"),
    ("action", "String"),
    ("rate_per_minute", "Nullable(Decimal(12, 3))"),
    ("reason", "String"),
    ("incident_id", "String"),
    ("policy", "String"),
    ("by", "String"),
    ("since", _TIME),
    ("expires_at", f"Nullable({_TIME})"),
    ("released", "Bool"),
)
_ARROW: Final = {
    "UInt64": pa.uint64(),
    "Nullable(Decimal(12, 3))": pa.decimal128(12, 3),
    _TIME: pa.timestamp("ms", "UTC"),
    f"Nullable({_TIME})": pa.timestamp("ms", "UTC"),
    "Bool": pa.bool_(),
}
_SCHEMA: Final = pa.schema([(name, _ARROW.get(kind, pa.string())) for name, kind in _COLUMNS])
_SELECTED: Final = """
    number, scope, subject, mode, action, rate_per_minute, reason, incident_id, policy, by,
    toUnixTimestamp64Milli(since), if(isNull(expires_at), NULL, toUnixTimestamp64Milli(assumeNotNull(expires_at))),
    released
"""


class ControlBook:
    """See the module."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()

    def change(self, change: Change, now_ms: int) -> bool:
        """Write a change; False when it changes nothing. Raises `Unavailable`: then try again."""
        with self._lock:
            before = self.standing(change.scope, change.subject)
            if before is not None and _same(before, change, now_ms):
                return False
            number = 1 if before is None else before.number + 1
            data = pa.Table.from_pylist([_row(change, number, now_ms)], schema=_SCHEMA)
            self._database.insert("control_events", _COLUMNS, data, token=f"control-{change.id}-{number}-{now_ms}")
            return True

    def release(self, scope: str, subject: str, *, by: str, reason: str, now_ms: int) -> bool:
        """A person ends a control; False when there is none in force."""
        before = self.standing(scope, subject)
        if before is None or not before.active(now_ms):
            return False
        ended = replace(before.change, released=True, by=by, policy="", reason=reason)
        return self.change(ended, now_ms)

    def standing(self, scope: str, subject: str) -> Standing | None:
        """A control as it stands, in force or not; None when there never was one."""
        rows = self._database.rows(
            f"SELECT {_SELECTED} FROM controls WHERE id = {{id:String}}", {"id": control_id(scope, subject)}
        )
        return _standing(rows[0]) if rows else None

    def changed_since(self, since_ms: int) -> list[Standing]:
        """Controls in force at `since_ms` or changed after it, by id."""
        rows = self._database.rows(
            f"""
            SELECT {_SELECTED} FROM control_events AS c
            WHERE id IN (
                SELECT id FROM control_events AS e
                WHERE e.since >= fromUnixTimestamp64Milli({{since:Int64}}) OR isNull(e.expires_at)
                    OR e.expires_at >= fromUnixTimestamp64Milli({{since:Int64}})
            )
            ORDER BY id, number DESC, c.since DESC
            LIMIT 1 BY id
            """,
            {"since": since_ms},
        )
        found = [_standing(row) for row in rows]
        return [one for one in found if one.since_ms >= since_ms or one.active(since_ms - 1)]

    def active(self, now_ms: int) -> list[Standing]:
        """Controls in force, by id."""
        return [one for one in self.changed_since(now_ms) if one.active(now_ms)]

    def history(self, scope: str, subject: str) -> list[Standing]:
        """Every change of a control, oldest first."""
        rows = self._database.rows(
            f"SELECT {_SELECTED} FROM control_events WHERE id = {{id:String}} ORDER BY number",
            {"id": control_id(scope, subject)},
        )
        return [_standing(row) for row in rows]

    def of_incident(self, incident_id: str) -> list[Standing]:
        """Controls whose latest change names an incident."""
        rows = self._database.rows(
            f"SELECT {_SELECTED} FROM controls WHERE incident_id = {{incident:String}} ORDER BY id",
            {"incident": incident_id},
        )
        return [_standing(row) for row in rows]


def _same(before: Standing, change: Change, now_ms: int) -> bool:
    if change.released:
        return not before.active(now_ms)
    return before.active(now_ms) and before.change == change


def _row(change: Change, number: int, now_ms: int) -> dict[str, Any]:
    rate = change.rate_per_minute
    return {
        "id": change.id,
        "number": number,
        "scope": change.scope,
        "subject": change.subject,
        "mode": change.mode,
        "action": change.action,
        "rate_per_minute": None if rate is None else rate.quantize(Decimal("0.001")),
        "reason": change.reason,
        "incident_id": change.incident_id,
        "policy": change.policy,
        "by": change.by,
        "since": now_ms,
        "expires_at": change.expires_ms,
        "released": change.released,
    }


def _standing(row: tuple[Any, ...]) -> Standing:
    number, scope, subject, mode, action, rate, reason, incident, policy, by, since, expires, released = row
    change = Change(
        scope=scope,
        subject=subject,
        mode=mode,
        action=action,
        reason=reason,
        rate_per_minute=None if rate is None else Decimal(rate),
        incident_id=incident,
        policy=policy,
        by=by,
        expires_ms=None if expires is None else int(expires),
        released=bool(released),
    )
    return Standing(int(number), int(since), change)
