"""The worker's routes for repairs: only the owner of an embedded ledger can write to it. Scope admin."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec
from aiohttp import web

from streams.errors import UsageError
from streams.http.scopes import caller_of, needs
from streams.ledger.client import Database
from streams.repair.marks import MOST, Asked, LedgerMarks, Retried

Model = TypeVar("Model")


class _RetriedBody(msgspec.Struct, forbid_unknown_fields=True):
    retry_id: str
    fix: str
    at_ms: int
    rows: list[Retried]


class _AskedBody(msgspec.Struct, forbid_unknown_fields=True):
    replay_id: str
    from_ms: int
    rows: list[Asked]


class RepairRoutes:
    """`routes` for `WorkerHttp`."""

    def __init__(self, database: Database) -> None:
        self._marks = LedgerMarks(database)

    @property
    def routes(self) -> Sequence[web.RouteDef]:
        """POST /v1/repair/retried and /v1/repair/replays."""
        return [
            web.post("/v1/repair/retried", self._retried),
            web.post("/v1/repair/replays", self._replays),
        ]

    @needs("admin")
    async def _retried(self, request: web.Request) -> web.Response:
        body = _read(await request.read(), _RetriedBody)
        by = caller_of(request).name
        await asyncio.to_thread(self._marks.retried, body.retry_id, body.fix, by, body.at_ms, _few(body.rows))
        return _json({"written": len(body.rows)})

    @needs("admin")
    async def _replays(self, request: web.Request) -> web.Response:
        body = _read(await request.read(), _AskedBody)
        by = caller_of(request).name
        await asyncio.to_thread(self._marks.asked, body.replay_id, by, body.from_ms, _few(body.rows))
        return _json({"written": len(body.rows)})


def _read(raw: bytes, model: type[Model]) -> Model:
    try:
        return msgspec.json.decode(raw, type=model)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise UsageError(f"the body is not what this takes: {error}") from error


Row = TypeVar("Row", Retried, Asked)


def _few(rows: list[Row]) -> list[Row]:
    if len(rows) > MOST:
        raise UsageError(f"at most {MOST} rows at a time")
    values = [getattr(row, name) for row in rows for name in row.__dataclass_fields__]
    if any(not 0 <= value < 1 << 63 for value in values):
        raise UsageError("places are counted from 0")
    return rows


def _json(body: dict[str, Any]) -> web.Response:
    return web.Response(text=json.dumps(body), content_type="application/json")
