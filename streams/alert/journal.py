"""What is remembered of deliveries: the tables `notices` and `deliveries`, append-only. All blocking.

The state of (notice, channel) is its row with the highest (attempt, state), so that it does not depend on clocks:
planned 0 < sending 1 < failed 1 | sent 1 < sending 2 < ... A row is written before a channel is asked (`sending`) and
one after; what is between them when a process dies is repeated with the same id.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import pyarrow as pa

from streams.alert.match import Told
from streams.alert.notice import Notice
from streams.ledger.client import Database

State = Literal["planned", "sending", "failed", "sent", "given_up", "unrouted"]

LOOK_BACK_MS: Final = 45 * 86_400_000
"""What is older is looked at once, when a process begins: a month's budget is the longest subject."""

_TIME: Final = "DateTime64(3, 'UTC')"
_COLUMNS: Final = (
    ("notice", "String"),
    ("channel", "LowCardinality(String)"),
    ("subject", "String"),
    ("attempt", "UInt32"),
    ("state", "String"),
    ("at", _TIME),
    ("due_at", _TIME),
    ("batch", "String"),
    ("claim", "String"),
    ("error", "String"),
)
_ARROW: Final = {"UInt32": pa.uint32(), _TIME: pa.timestamp("ms", "UTC")}
_SCHEMA: Final = pa.schema([(name, _ARROW.get(kind, pa.string())) for name, kind in _COLUMNS])

_NOTICE: Final = (
    "id, subject, change, severity, title, body, team_id, tier, toUnixTimestamp64Milli(at), links, labels, resolved"
)
_LATEST: Final = """
    SELECT
        notice, channel, any(subject) AS of,
        argMax((attempt, state, at, due_at, batch, claim), (attempt, state)) AS last,
        min(d.due_at) AS first_due
    FROM deliveries AS d
    WHERE d.at >= fromUnixTimestamp64Milli({since:Int64}) AND state != 'unrouted'
    GROUP BY notice, channel
"""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One row of `deliveries`. Times are epoch milliseconds."""

    notice: str
    channel: str
    subject: str
    attempt: int
    state: State
    at_ms: int
    due_ms: int
    batch: str = ""
    claim: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True)
class Pending:
    """A notice that a channel has not taken yet: its latest row, when it was first due, and the notice."""

    row: Delivery
    since_ms: int
    notice: Notice


class Journal:
    """See the module. May be used by several threads."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def unplanned(self, since_ms: int) -> list[Notice]:
        """Notices recorded at or after `since_ms` that nothing was decided about, as they were put."""
        rows = self._database.rows(
            f"""
            SELECT {_NOTICE} FROM notice_rows
            WHERE recorded_at >= fromUnixTimestamp64Milli({{since:Int64}})
                AND id NOT IN (
                    SELECT notice FROM deliveries WHERE at >= fromUnixTimestamp64Milli({{since:Int64}})
                )
            ORDER BY recorded_at, at, id
            LIMIT 1 BY id
            """,
            {"since": since_ms},
        )
        return [_notice(row) for row in rows]

    def pending(self, since_ms: int) -> list[Pending]:
        """What is planned, failed or begun, oldest notice first."""
        rows = self._database.rows(
            f"""
            SELECT notice, channel, of, last.1, last.2, toUnixTimestamp64Milli(last.3), toUnixTimestamp64Milli(last.4),
                last.5, last.6, toUnixTimestamp64Milli(first_due)
            FROM ({_LATEST}) WHERE last.2 IN ('planned', 'sending', 'failed')
            """,
            {"since": since_ms},
        )
        if not rows:
            return []
        notices = self._notices({str(row[0]) for row in rows})
        found = [
            Pending(
                Delivery(
                    str(row[0]), str(row[1]), str(row[2]), int(row[3]), _state(row[4]), int(row[5]), int(row[6]),
                    str(row[7]), str(row[8]),
                ),
                int(row[9]),
                notices[str(row[0])],
            )
            for row in rows
            if str(row[0]) in notices
        ]  # fmt: skip
        return sorted(found, key=lambda one: (one.notice.at_ms, one.notice.id, one.row.channel))

    def told(self, subjects: Collection[str], since_ms: int) -> dict[str, dict[str, Told]]:
        """For each subject the channels that its notices were sent to or will be, and how."""
        if not subjects:
            return {}
        found: dict[str, dict[str, Told]] = {}
        for subject, channel, at_once, paged in self._database.rows(
            f"""
            SELECT of, channel, max(last.5 = '') AS at_once, max(
                last.5 = '' AND notice IN (
                    SELECT id FROM notice_rows WHERE severity != 'ticket' AND subject IN {{subjects:Array(String)}}
                )
            ) AS paged
            FROM ({_LATEST})
            WHERE of IN {{subjects:Array(String)}} AND last.2 != 'given_up' GROUP BY of, channel
            """,
            {"subjects": sorted(subjects), "since": since_ms},
        ):
            found.setdefault(str(subject), {})[str(channel)] = Told(bool(at_once), bool(paged))
        return found

    def standing(self, channel: str, since_ms: int) -> list[Notice]:
        """The latest notice that a channel took since `since_ms` of each subject that is not over."""
        rows = self._database.rows(
            f"""
            SELECT {_NOTICE} FROM notices AS n
            WHERE id IN (SELECT notice FROM ({_LATEST}) WHERE channel = {{channel:String}} AND last.2 = 'sent')
            ORDER BY n.at DESC, n.recorded_at DESC, id DESC
            LIMIT 1 BY subject
            """,
            {"channel": channel, "since": since_ms},
        )
        return [notice for notice in map(_notice, rows) if not notice.resolved]

    def earlier(self, notice: Notice, channel: str) -> list[Notice]:
        """What a channel took of the notice's subject before."""
        rows = self._database.rows(
            f"""
            SELECT {_NOTICE} FROM notices AS n
            WHERE subject = {{subject:String}} AND id != {{id:String}} AND id IN (
                SELECT notice FROM deliveries
                WHERE channel = {{channel:String}} AND subject = {{subject:String}} AND state = 'sent'
            )
            ORDER BY n.at, id
            """,
            {"subject": notice.subject, "id": notice.id, "channel": channel},
        )
        return [_notice(row) for row in rows]

    def claims(self, notices: Collection[str], channel: str, attempt_of: dict[str, int]) -> dict[str, set[str]]:
        """Who has begun this attempt of each notice at a channel."""
        found: dict[str, set[str]] = {}
        for notice, attempt, claim in self._database.rows(
            "SELECT notice, attempt, claim FROM deliveries "
            "WHERE channel = {channel:String} AND state = 'sending' AND notice IN {notices:Array(String)}",
            {"channel": channel, "notices": sorted(notices)},
        ):
            if attempt_of.get(str(notice)) == int(attempt):
                found.setdefault(str(notice), set()).add(str(claim))
        return found

    def write(self, rows: Sequence[Delivery]) -> None:
        """Write rows; repeating a call after a fault writes nothing twice."""
        if not rows:
            return
        data = pa.Table.from_pylist([_row(row) for row in rows], schema=_SCHEMA)
        text = "\n".join(f"{r.notice}\0{r.channel}\0{r.attempt}\0{r.state}\0{r.claim}\0{r.at_ms}" for r in rows)
        token = "deliveries-" + hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
        self._database.insert("deliveries", _COLUMNS, data, token=token)

    def _notices(self, ids: Iterable[str]) -> dict[str, Notice]:
        rows = self._database.rows(
            f"SELECT {_NOTICE} FROM notices WHERE id IN {{ids:Array(String)}}", {"ids": sorted(ids)}
        )
        return {str(row[0]): _notice(row) for row in rows}


def _notice(row: Sequence[Any]) -> Notice:
    id_, subject, change, severity, title, body, team_id, tier, at_ms, links, labels, resolved = row
    return Notice(
        id_,
        subject,
        change,
        severity,
        title,
        body,
        team_id,
        tier,
        int(at_ms),
        dict(links),
        dict(labels),
        bool(resolved),
    )


def _state(value: object) -> State:
    return value  # type: ignore[return-value]


def _row(row: Delivery) -> dict[str, Any]:
    return {
        "notice": row.notice,
        "channel": row.channel,
        "subject": row.subject,
        "attempt": row.attempt,
        "state": row.state,
        "at": row.at_ms,
        "due_at": row.due_ms,
        "batch": row.batch,
        "claim": row.claim,
        "error": row.error,
    }
