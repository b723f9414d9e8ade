"""What is sent: one notice, or the notices of one digest, in words and as JSON.

`id` is what the receiver may know a message again by; it is the same however often the message is tried.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from streams.alert.notice import SEVERITIES, Notice, Severity
from streams.counted import counted

DIGEST_LINES: Final = 50
"""Notices that a digest spells out; chat services cut longer texts, each at another place."""


@dataclass(frozen=True, slots=True)
class Message:
    """One thing to send. `notices` are in the order in which they happened; there is at least one.

    `earlier`: what the channel was sent of the subject before, where it wants to know (`Channel.remind_ms`).
    """

    id: str
    notices: tuple[Notice, ...]
    digest: bool
    earlier: tuple[Notice, ...] = ()

    @property
    def severity(self) -> Severity:
        """The highest of its notices'."""
        return max((notice.severity for notice in self.notices), key=SEVERITIES.index)

    @property
    def title(self) -> str:
        """One line."""
        if not self.digest:
            return self.notices[0].title
        return f"Spendstream: {counted(len(self.notices), 'notice')}, {self.severity} at most"

    @property
    def text(self) -> str:
        """The rest, in plain text."""
        if not self.digest:
            notice = self.notices[0]
            return "\n".join([notice.body, *(f"{name}: {url}" for name, url in notice.links.items())]).strip()
        lines = [f"- {instant(notice.at_ms)} {notice.title}" for notice in self.notices[:DIGEST_LINES]]
        left = len(self.notices) - DIGEST_LINES
        if left > 0:
            lines.append(f"- and {left} more: spendstream incidents list --all")
        return "\n".join(lines)

    def payload(self) -> dict[str, Any]:
        """The body of a webhook (docs/oncall.md describes it)."""
        if not self.digest:
            return {"version": 1, "type": "notice", **notice_json(self.notices[0])}
        return {
            "version": 1,
            "type": "digest",
            "id": self.id,
            "title": self.title,
            "severity": self.severity,
            "notices": [notice_json(notice) for notice in self.notices],
        }


def one(notice: Notice, earlier: Sequence[Notice] = ()) -> Message:
    """A message of one notice: it has the notice's id."""
    return Message(notice.id, (notice,), digest=False, earlier=tuple(earlier))


def digest(batch: str, notices: Sequence[Notice]) -> Message:
    """A message of the notices of one digest. Raises ValueError for none."""
    if not notices:
        raise ValueError("a digest of nothing")
    return Message(batch, tuple(sorted(notices, key=lambda notice: (notice.at_ms, notice.id))), digest=True)


def notice_json(notice: Notice) -> dict[str, Any]:
    """A notice as JSON's own types."""
    return {
        "id": notice.id,
        "subject": notice.subject,
        "change": notice.change,
        "severity": notice.severity,
        "title": notice.title,
        "body": notice.body,
        "team_id": notice.team_id,
        "tier": notice.tier,
        "at": instant(notice.at_ms),
        "links": dict(notice.links),
        "labels": dict(notice.labels),
        "resolved": notice.resolved,
    }


def instant(ms: int) -> str:
    """RFC 3339 in UTC, to the millisecond."""
    whole, milliseconds = divmod(ms, 1000)
    return f"{datetime.fromtimestamp(whole, UTC):%Y-%m-%dT%H:%M:%S}.{milliseconds:03d}Z"
