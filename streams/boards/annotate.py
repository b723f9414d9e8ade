"""Writes to Grafana, as annotations, what a reader of the boards wants to see on their time lines: incidents, prices
rated again, edits of prices, budgets, plans, tiers and policies, new versions; and deployments by command.

Each has the tags `spendstream`, its kind, and `id:...`. What was written is recorded in the ledger; should the record
be lost (a crash in between), the annotation is found again by its tag: none is written twice. An incident that was
resolved gets its end. One that somebody removed in Grafana is not written again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from streams.boards.grafana import Grafana, GrafanaError
from streams.ledger.client import Database
from streams.ledger.sqlfiles import named_query

TAG: Final = "spendstream"
LOOK_BACK_MS: Final = 7 * 24 * 3600 * 1000
"""How long a Grafana may be away until events are left out."""

MOST: Final = 200
"""Written in one run: the rest has its turn in the next."""


@dataclass(frozen=True, slots=True)
class Annotation:
    """One event. `until_ms` 0: a moment, or not over yet."""

    id: str
    kind: str
    at_ms: int
    until_ms: int
    text: str
    team_id: str = ""
    severity: str = ""

    @property
    def tags(self) -> list[str]:
        """What Grafana filters by."""
        more = [f"team:{self.team_id}"] if self.team_id else []
        return [TAG, self.kind, f"id:{self.id}", *more, *([self.severity] if self.severity else [])]

    @property
    def digest(self) -> str:
        """Changes with what is shown."""
        shown = f"{self.at_ms} {self.until_ms} {self.severity} {self.text if self.until_ms else ''}"
        return hashlib.sha256(shown.encode()).hexdigest()[:16]


def write(grafana: Grafana, one: Annotation) -> int:
    """Write one that may be there already; its number."""
    there = grafana.annotation([TAG, f"id:{one.id}"])
    if there is None:
        return grafana.annotate(one.at_ms, one.until_ms, one.text, one.tags)
    grafana.change_annotation(there, one.at_ms, one.until_ms, one.text, one.tags)
    return there


class AnnotationDuty:
    """A `streams.duties.Duty`. `connect` makes the client anew for each run that has something to write."""

    name = "annotations"
    every_s = 5.0

    def __init__(self, database: Database, url: str, connect: Callable[[], Grafana]) -> None:
        self._database = database
        self._url = url
        self._connect = connect

    def run(self, now_ms: int) -> None:
        """Write what is new or has changed. Raises `Unavailable`, `GrafanaError` (what was done until then stays)."""
        known = {
            str(id_): (int(number), str(digest))
            for id_, number, digest in self._database.rows(
                "SELECT id, argMax(annotation, g.at), argMax(digest, g.at) FROM grafana_annotations AS g "
                "WHERE grafana = {url:String} GROUP BY id",
                {"url": self._url},
            )
        }
        events = [
            Annotation(str(id_), str(kind), int(at), int(until), str(text), str(team), str(severity))
            for id_, kind, at, until, text, team, severity in self._database.rows(
                named_query("annotations"), {"since": now_ms - LOOK_BACK_MS}
            )
        ]
        todo = [one for one in events if one.id not in known or known[one.id][1] != one.digest]
        if not todo:
            return
        grafana = self._connect()
        try:
            for one in sorted(todo, key=lambda one: one.at_ms)[:MOST]:
                self._record(one, self._written(grafana, one, known.get(one.id)), now_ms)
        finally:
            grafana.close()

    @staticmethod
    def _written(grafana: Grafana, one: Annotation, known: tuple[int, str] | None) -> int:
        if known is None:
            return write(grafana, one)
        try:
            grafana.change_annotation(known[0], one.at_ms, one.until_ms, one.text, one.tags)
        except GrafanaError as error:
            if error.status != 404:  # removed by somebody: it stays so
                raise
        return known[0]

    def _record(self, one: Annotation, number: int, now_ms: int) -> None:
        self._database.command(
            "INSERT INTO grafana_annotations (id, grafana, annotation, digest, at) SELECT {id:String}, {url:String}, "
            "{n:Int64}, {digest:String}, fromUnixTimestamp64Milli({at:Int64}, 'UTC')",
            {"id": one.id, "url": self._url, "n": number, "digest": one.digest, "at": now_ms},
        )
