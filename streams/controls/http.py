"""Controls over HTTP, on every worker.

    GET    /v1/controls                    what is in force, for routers; ETag and If-None-Match (scope read)
    PUT    /v1/controls/{scope}/{subject}  set one: action, rate_per_minute, mode, reason, minutes, incident_id (or how
                                           it alone begins); scope control
    DELETE /v1/controls/{scope}/{subject}  release it, with a reason (scope control)

The ledger is asked at most once in `FRESH_S`, however many routers ask. `by` in the history is the token's name, with
the name that the caller gave beside it.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Annotated, Any, Final, Literal

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from streams.alert.look import incident_named
from streams.controls.book import ControlBook
from streams.controls.control import SCOPES, Change, Scope, Standing
from streams.errors import UsageError
from streams.http.scopes import caller_of, needs
from streams.ledger.client import Database

FRESH_S: Final = 0.5
MOST_SUBJECT: Final = 512
_INCIDENTS: Final = "`spendstream incidents list --all` shows them; a reason in words needs none"


class Asked(BaseModel):
    """The body of a PUT."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    action: Literal["warn", "throttle", "block"]
    mode: Literal["observe", "warn", "enforce"] = "enforce"
    rate_per_minute: (
        Annotated[Decimal, Field(gt=0, le=100_000, decimal_places=3, max_digits=9, allow_inf_nan=False)] | None
    ) = None
    reason: Annotated[str, Field(min_length=1, max_length=1000)]
    incident_id: Annotated[str, Field(max_length=256)] = ""
    minutes: Annotated[int, Field(ge=1, le=525_600, strict=True)] | None = None
    by: Annotated[str, Field(max_length=200)] = ""


class Ended(BaseModel):
    """The body of a DELETE."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    reason: Annotated[str, Field(min_length=1, max_length=1000)]
    by: Annotated[str, Field(max_length=200)] = ""


class ControlHttp:
    """Serves one worker."""

    def __init__(
        self,
        database: Database,
        *,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._book = ControlBook(database)
        self._now_ms = now_ms
        self._clock = clock
        self._lock = asyncio.Lock()
        self._standing: list[Standing] = []
        self._read_at: float | None = None

    def routes(self) -> list[web.RouteDef]:
        """For `WorkerHttp(extra=...)`."""
        return [
            web.get("/v1/controls", self._get),
            web.put("/v1/controls/{scope}/{subject:.+}", self._put),
            web.delete("/v1/controls/{scope}/{subject:.+}", self._delete),
        ]

    @needs("read")
    async def _get(self, request: web.Request) -> web.Response:
        standing = await self._current()
        now_ms = self._now_ms()
        controls = [one.contract() for one in standing if one.active(now_ms)]
        text = json.dumps({"controls": controls}, ensure_ascii=False)
        etag = hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
        if any(one.value in {etag, "*"} for one in request.if_none_match or ()):
            return web.Response(status=304, headers={"ETag": f'"{etag}"'})
        return web.Response(text=text, content_type="application/json", headers={"ETag": f'"{etag}"'})

    @needs("control")
    async def _put(self, request: web.Request) -> web.Response:
        scope, subject = _named(request)
        asked = await body_of(request, Asked)
        incident_id = reason = ""
        if asked.incident_id:
            found = await asyncio.to_thread(incident_named, self._database, asked.incident_id)
            if found is None:
                return _json({"error": f"there is no incident {asked.incident_id!r}: {_INCIDENTS}"}, status=404)
            incident_id, reason = found, found if asked.reason == asked.incident_id else ""
        now_ms = self._now_ms()
        try:
            change = Change(
                scope=scope,
                subject=subject,
                mode=asked.mode,
                action=asked.action,
                reason=reason or asked.reason,
                rate_per_minute=asked.rate_per_minute,
                incident_id=incident_id,
                by=who(request, asked.by),
                expires_ms=None if asked.minutes is None else now_ms + asked.minutes * 60_000,
            )
        except ValueError as error:
            raise UsageError(str(error)) from None
        await asyncio.to_thread(self._book.change, change, now_ms)
        self._read_at = None
        return await self._answer(scope, subject)

    @needs("control")
    async def _delete(self, request: web.Request) -> web.Response:
        scope, subject = _named(request)
        asked = await body_of(request, Ended)
        done = await asyncio.to_thread(
            lambda: self._book.release(
                scope, subject, by=who(request, asked.by), reason=asked.reason, now_ms=self._now_ms()
            )
        )
        self._read_at = None
        if not done:
            return _json({"error": f"no control is in force for {scope} {subject!r}"}, status=404)
        return await self._answer(scope, subject)

    async def _answer(self, scope: Scope, subject: str) -> web.Response:
        standing = await asyncio.to_thread(self._book.standing, scope, subject)
        assert standing is not None
        return _json({"control": standing.contract()})

    async def _current(self) -> list[Standing]:
        async with self._lock:
            if self._read_at is None or self._clock() - self._read_at >= FRESH_S:
                began = self._clock()
                self._standing = await asyncio.to_thread(self._book.active, self._now_ms())
                self._read_at = began
            return self._standing


def who(request: web.Request, named: str) -> str:
    """Who did it, for the history: the caller's token, and the name that was given."""
    caller = caller_of(request).name or "local"
    named = named.strip()
    if not named or named == caller:
        return caller
    return named if caller == "local" else f"{named} ({caller})"


def _named(request: web.Request) -> tuple[Scope, str]:
    scope, subject = request.match_info["scope"], request.match_info["subject"]
    known = next((one for one in SCOPES if one == scope), None)
    if known is None:
        raise UsageError(f"there is no scope {scope!r}: use one of {', '.join(SCOPES)}")
    if len(subject) > MOST_SUBJECT or "\0" in subject:
        raise UsageError(f"a subject has at most {MOST_SUBJECT} characters, and no NUL")
    return known, subject


async def body_of(request: web.Request, model: type[Any]) -> Any:
    try:
        found = await request.json()
    except (ValueError, LookupError, RecursionError):  # also: a charset that nobody knows, and thousands of brackets
        raise UsageError("the body must be a JSON object") from None
    try:
        return model.model_validate(found)
    except ValidationError as error:
        faults = "; ".join(
            f"{' '.join(map(str, part['loc'])) or 'body'}: {part['msg'].removeprefix('Value error, ')}"
            for part in error.errors(include_url=False, include_input=False)
        )
        raise UsageError(faults) from None


def _json(body: Any, status: int = 200) -> web.Response:
    return web.Response(text=json.dumps(body, ensure_ascii=False), status=status, content_type="application/json")
