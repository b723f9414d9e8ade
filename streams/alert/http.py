"""Incidents over HTTP, on every worker.

    GET  /v1/incidents?state=open          the view `incidents`, dearest first (scope read)
    GET  /v1/incidents/{id}                one, with history, notices and controls (scope read)
    POST /v1/incidents/{id}/acknowledge    {"reason": "...", "by": "ada"} (scope control)
    POST /v1/incidents/{id}/silence        {"minutes": 60, "reason": "..."}
    POST /v1/incidents/{id}/resolve        {"reason": "..."}

What a person does becomes a record of `spendstream.steps`, so it has its place in the log and outlives any worker; the
watcher applies it within a second. The answer is 202 with the id of the action: `GET` shows it when it is done.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final, Literal

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from streams.alert.look import STATES, incident_list, incident_shown
from streams.controls.http import body_of, who
from streams.errors import UsageError
from streams.http.scopes import needs
from streams.ledger.client import Database
from streams.meter.outgoing import OutgoingRecord
from streams.watch.action import ACTIONS, action_record

Send = Callable[[list[OutgoingRecord]], Awaitable[None]]
MOST: Final = 1000


class Acted(BaseModel):
    """The body of a POST."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    reason: Annotated[str, Field(max_length=1000)] = ""
    by: Annotated[str, Field(max_length=200)] = ""
    minutes: Annotated[int, Field(ge=1, le=43_200, strict=True)] | None = None


class IncidentHttp:
    """Serves one worker."""

    def __init__(
        self,
        database: Database,
        send: Send,
        *,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        """`send` takes records to the broker and raises `Unavailable` when it is away."""
        self._database = database
        self._send = send
        self._now_ms = now_ms

    def routes(self) -> list[web.RouteDef]:
        """For `WorkerHttp(extra=...)`."""
        return [
            web.get("/v1/incidents", self._list),
            web.get("/v1/incidents/{id}", self._show),
            web.post("/v1/incidents/{id}/{action}", self._act),
        ]

    @needs("read")
    async def _list(self, request: web.Request) -> web.Response:
        query = dict(request.query)
        state = query.pop("state", "open")
        limit = query.pop("limit", "100")
        if state not in STATES:
            raise UsageError(f"state must be one of {', '.join(STATES)}")
        if not (limit.isascii() and limit.isdigit() and 1 <= int(limit[:6]) <= MOST):
            raise UsageError(f"limit must be a number from 1 to {MOST}")
        if query:
            raise UsageError("; ".join(f"there is no parameter {name!r}" for name in query))
        found = await asyncio.to_thread(incident_list, self._database, state, int(limit))
        return _json({"incidents": found})

    @needs("read")
    async def _show(self, request: web.Request) -> web.Response:
        found = await asyncio.to_thread(incident_shown, self._database, request.match_info["id"])
        if found is None:
            return _unknown(request.match_info["id"])
        return _json(found)

    @needs("control")
    async def _act(self, request: web.Request) -> web.Response:
        id_, named = request.match_info["id"], request.match_info["action"]
        action: Literal["acknowledge", "silence", "resolve"] | None = next(
            (one for one in ACTIONS if one == named), None
        )
        if action is None:
            raise UsageError(f"there is no action {named!r}: use one of {', '.join(ACTIONS)}")
        asked = await body_of(request, Acted)
        if (action == "silence") != (asked.minutes is not None):
            raise UsageError("silence needs minutes" if action == "silence" else f"{action} takes no minutes")
        rows = await asyncio.to_thread(
            self._database.rows,
            "SELECT partition, state FROM incidents WHERE incident_id = {id:String}",
            {"id": id_},
        )
        if not rows:
            return _unknown(id_)
        partition, state = rows[0]
        if state != "open":
            return _json({"error": f"incident {id_} is {state} already: nothing was done"}, status=409)
        now_ms = self._now_ms()
        by = who(request, asked.by)
        record = action_record(
            id_,
            action,
            by=by,
            reason=asked.reason,
            at_ms=now_ms,
            partition=int(partition),
            until_ms=None if asked.minutes is None else now_ms + asked.minutes * 60_000,
        )
        await self._send([record])
        return _json({"incident_id": id_, "action": action, "by": by, "accepted": True}, status=202)


def _unknown(id_: str) -> web.Response:
    return _json({"error": f"there is no incident {id_!r}: `spendstream incidents list --all` shows them"}, status=404)


def _json(body: Any, status: int = 200) -> web.Response:
    return web.Response(text=json.dumps(body, ensure_ascii=False), status=status, content_type="application/json")
