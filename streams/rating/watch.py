"""Tells people of models without a price, and of routers whose cost differs from ours: a duty of the worker.

One subject for each model and kind, `price:unpriced:PROVIDER/MODEL`; it is opened when the last day's calls show it,
and resolved when they do not any more. What is open is read from the notices themselves, so a restart or another
worker goes on where the last one was; the number in a notice's id makes a change that is found twice one notice.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from streams.alert.notice import Notice, Severity
from streams.ledger.client import Database
from streams.ledger.sqlfiles import named_query
from streams.rating.check import deviations

DAY_MS = 86_400_000
HOUR_MS = 3_600_000

PREFIX = "price:"

_CALM = Decimal("0.8")
"""A difference is over when it is below this share of what opened it, so that it does not come and go at the edge."""


class Box(Protocol):
    """Where notices go (`streams.alert.box.NoticeBox`)."""

    def put(self, notices: list[Notice]) -> int:
        """Put what is not there yet."""
        ...


@dataclass(frozen=True, slots=True)
class _Seen:
    """A subject as the last day's calls show it."""

    subject: str
    severity: Severity
    title: str
    body: str
    model: str
    opens: bool
    """Enough to open it; without that it only keeps open what is."""


class PriceWatch:
    """The duty. `share`: by how much of the larger figure reported and computed cost may differ."""

    name = "prices"
    every_s = 300.0

    def __init__(self, database: Database, box: Box, share: Decimal) -> None:
        """Connects to nothing yet."""
        self._database, self._box, self._share = database, box, share

    def run(self, now_ms: int) -> None:
        """Open and resolve by the calls of the last day (event time). Blocking."""
        seen = {one.subject: one for one in (*self._unpriced(now_ms), *self._differing(now_ms))}
        notices = list[Notice]()
        told = self._told()
        for subject, one in seen.items():
            number, is_open = told.get(subject, (0, False))
            if one.opens and not is_open:
                notices.append(self._notice(one, number + 1, now_ms))
        for subject, (number, is_open) in told.items():
            if is_open and subject not in seen:
                notices.append(_over(subject, number + 1, now_ms))
        if notices:
            self._box.put(notices)

    def _told(self) -> dict[str, tuple[int, bool]]:
        """By subject: how many notices there were, and whether the last one left it open."""
        rows = self._database.rows(
            "SELECT subject, count(), argMax(resolved, recorded_at) FROM notices "
            "WHERE startsWith(subject, {prefix:String}) GROUP BY subject",
            {"prefix": PREFIX},
        )
        return {str(subject): (int(count), not resolved) for subject, count, resolved in rows}

    def _unpriced(self, now_ms: int) -> Iterator[_Seen]:
        for provider, model, calls, unpriced, tokens in self._database.rows(
            named_query("price_unpriced_models"), {"first": (now_ms - DAY_MS) // 1000, "last": now_ms // 1000}
        ):
            name = f"{provider}/{model}" if provider else str(model)
            yield _Seen(
                f"{PREFIX}unpriced:{name}",
                "warning",
                f"{name} has no price",
                f"{int(unpriced):,} of {int(calls):,} calls of the last day are counted without a cost; they and those "
                f"of their hours have {int(tokens):,} tokens. Run `spendstream prices check`: it says why and what to "
                "do. A price of your own takes effect when the workers start anew; `spendstream prices rerate` then "
                "gives these calls their cost.",
                name,
                opens=True,
            )

    def _differing(self, now_ms: int) -> Iterator[_Seen]:
        for found in deviations(self._database, now_ms - DAY_MS, now_ms + 1):
            if found.exceeds(self._share * _CALM):
                yield _Seen(
                    f"{PREFIX}reported:{found.name}",
                    "ticket",
                    f"Reported and computed cost of {found.name} differ",
                    f"In the last day: {found.in_words()}. Compare with the provider's invoice: add a negotiated rate "
                    "to your own prices, or mend the router's figure.",
                    found.name,
                    opens=found.exceeds(self._share),
                )

    def _notice(self, seen: _Seen, number: int, now_ms: int) -> Notice:
        return Notice(
            id=f"{seen.subject}#{number}",
            subject=seen.subject,
            change="opened",
            severity=seen.severity,
            title=seen.title,
            body=seen.body,
            team_id="",
            tier="",
            at_ms=now_ms,
            labels={"kind": _kind(seen.subject), "model": seen.model},
        )


def _over(subject: str, number: int, now_ms: int) -> Notice:
    kind = _kind(subject)
    model = subject.removeprefix(PREFIX).partition(":")[2]
    said = "has a price, or no calls" if kind == "unpriced" else "costs what routers report, or has no calls,"
    return Notice(
        id=f"{subject}#{number}",
        subject=subject,
        change="resolved",
        severity="ticket",
        title=f"{model} {said} in the last day",
        body="",
        team_id="",
        tier="",
        at_ms=now_ms,
        labels={"kind": kind, "model": model},
        resolved=True,
    )


def _kind(subject: str) -> str:
    return "unpriced" if subject.startswith(f"{PREFIX}unpriced:") else "reported_cost"
