"""Prometheus Alertmanager, by its API v2: an alert for each subject that is open.

An alert's labels are its identity: `alertname`, `subject`, `severity`, `kind`, `team`, `agent`, `run`, `tier`. When one
of them changes (the severity rises), the alert with the old ones ends in the same request. An open alert is sent again
every minute and ends by itself after `EXPIRE_MS` without that, so that an alert never outlives a Spendstream that is
gone by long; what has ended is sent once with its end.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from streams.alert.channels.post import post
from streams.alert.message import Message, instant
from streams.alert.notice import Notice
from streams.alert.policies import ChannelSettings

EXPIRE_MS: Final = 15 * 60_000
"""Fifteen reminders may be lost before Alertmanager deems an alert over."""
LABELS: Final = ("agent", "kind", "run", "tenant", "budget", "model")
"""Of a notice's labels those that are the same in all its changes; others would make another alert of it."""


class Alertmanager:
    """See the module."""

    def __init__(self, settings: ChannelSettings) -> None:
        self.name = settings.name
        self.remind_ms = settings.remind_ms
        self._url = settings.url
        self._token = settings.secret
        self._timeout_s = settings.timeout_s

    def send(self, message: Message, now_ms: int) -> None:
        """See `Channel.send`."""
        alerts = [alert for notice in message.notices for alert in alerts_of(notice, message.earlier, now_ms)]
        self._post(alerts, now_ms)

    def remind(self, notices: Sequence[Notice], now_ms: int) -> None:
        """See `Channel.remind`."""
        self._post([alert for notice in notices for alert in alerts_of(notice, (), now_ms)], now_ms)

    def _post(self, alerts: Sequence[dict[str, Any]], now_ms: int) -> None:
        headers = {"content-type": "application/json", "user-agent": "spendstream/1"}
        if self._token is not None:
            headers["authorization"] = f"Bearer {self._token.get_secret_value()}"
        post(
            self._url.get_secret_value().rstrip("/") + "/api/v2/alerts",
            json.dumps(alerts).encode(),
            headers,
            self._timeout_s,
            now_ms,
        )


def alerts_of(notice: Notice, earlier: Sequence[Notice], now_ms: int) -> list[dict[str, Any]]:
    """The alert of a notice, and those of earlier notices of its subject that had other labels, ended."""
    now = labels_of(notice)
    found = [_alert(notice, over=notice.resolved, now_ms=now_ms)]
    ended: list[dict[str, str]] = []
    for before in earlier:
        labels = labels_of(before)
        if before.subject == notice.subject and labels != now and labels not in ended:
            ended.append(labels)
            found.append(_alert(before, over=True, now_ms=now_ms))
    return found


def labels_of(notice: Notice) -> dict[str, str]:
    """The identity of an alert; empty ones are left away, as Alertmanager would do."""
    labels = {
        "alertname": "Spendstream" + "".join(part.capitalize() for part in (notice.kind or "notice").split("_")),
        "subject": notice.subject,
        "severity": notice.severity,
        "team": notice.team_id,
        "tier": notice.tier,
        **{name: notice.labels.get(name, "") for name in LABELS},
    }
    return {name: value for name, value in labels.items() if value}


def _alert(notice: Notice, *, over: bool, now_ms: int) -> dict[str, Any]:
    return {
        "labels": labels_of(notice),
        "annotations": {
            "summary": notice.title,
            "description": notice.body,
            "change": notice.change,
            **{f"link_{_word(name)}": url for name, url in notice.links.items()},
        },
        # Not in the future: an end before the start is refused.
        "startsAt": instant(min(notice.at_ms, now_ms)),
        "endsAt": instant(now_ms if over else now_ms + EXPIRE_MS),
        "generatorURL": next(iter(notice.links.values()), ""),
    }


def _word(name: str) -> str:
    """A label name: letters, digits and underscores."""
    return "".join(c if c.isascii() and c.isalnum() else "_" for c in name.lower())
