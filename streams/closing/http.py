"""The worker's route for months: only the owner of an embedded ledger can write to it. Scope admin.

    POST /v1/closings  {"month": "2026-10", "change": "closed", "by": "ada", "reason": "", "accept_gaps": false,
                        "empty": false}

`change` may be `reopened`. Answers with the change as `spendstream close --json` says it, 400 with what stands against
it. The plans are those of the worker. It does not prove first that the ledger adds up: who asks has done that
(`streams.closing.close.prove`), since it may take longer than an answer may.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from streams.closing.close import close_month, reopen_month
from streams.controls.http import body_of, who
from streams.http.scopes import needs
from streams.ledger.client import Database
from streams.ledger.reader import DatabaseReader

if TYPE_CHECKING:
    from schemas.plans import Plan


class Asked(BaseModel):
    """The body."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    month: Annotated[str, Field(pattern=r"^[0-9]{4}-(0[1-9]|1[0-2])$")]
    change: Literal["closed", "reopened"]
    by: Annotated[str, Field(min_length=1, max_length=200)]
    reason: Annotated[str, Field(max_length=1000)] = ""
    accept_gaps: Annotated[bool, Field(strict=True)] = False
    empty: Annotated[bool, Field(strict=True)] = False


class ClosingRoutes:
    """`routes` for `WorkerHttp`."""

    def __init__(
        self, database: Database, plans: Sequence[Plan], *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._database = database
        self._reader = WorkerReader(database)
        self._plans = tuple(plans)
        self._now = now

    @property
    def routes(self) -> Sequence[web.RouteDef]:
        """POST /v1/closings."""
        return [web.post("/v1/closings", self._post)]

    @needs("admin")
    async def _post(self, request: web.Request) -> web.Response:
        asked = await body_of(request, Asked)
        said = await asyncio.to_thread(self._change, asked, who(request, asked.by))
        return web.Response(text=json.dumps(said, ensure_ascii=False), content_type="application/json")

    def _change(self, asked: Asked, by: str) -> dict[str, Any]:
        month = date.fromisoformat(f"{asked.month}-01")
        reader, database, now = self._reader, self._database, self._now()
        if asked.change == "reopened":
            return reopen_month(reader, database, month, by=by, reason=asked.reason, now=now).as_json()
        return close_month(
            reader, database, month, by=by, reason=asked.reason, now=now,
            accept_gaps=asked.accept_gaps, empty=asked.empty, audited=False, plans=self._plans,
        ).as_json()  # fmt: skip


class WorkerReader(DatabaseReader):
    """Reads dates and instants as commands get them, too."""

    def rows(
        self, sql: str, parameters: Mapping[str, Any] | None = None, settings: Mapping[str, str] | None = None
    ) -> list[list[Any]]:
        """See `DatabaseReader.rows`."""
        return [[_said(value) for value in row] for row in super().rows(sql, parameters, settings)]


def _said(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return value.isoformat() if isinstance(value, date) else value
