"""The page's addresses on the worker: `/` (the page), `/page/...` (its parts), `/v1/board?span=6h` (its figures).

The page itself tells nothing and is open; the figures ask for the scope `read`, and the page asks its reader for a
token when the worker wants one. Everything the browser loads comes from the worker: nothing from elsewhere.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from functools import cache
from importlib.resources import files

from aiohttp import web

from streams.errors import UsageError
from streams.http.scopes import needs
from streams.ledger.client import Database
from streams.ledger.reader import DatabaseReader
from streams.page.figures import SPANS, board

PARTS: Mapping[str, str] = {
    "index.html": "text/html",
    "page.js": "text/javascript",
    "page.css": "text/css",
    "uPlot.iife.min.js": "text/javascript",
    "uPlot.min.css": "text/css",
    "icon.svg": "image/svg+xml",
}

POLICY = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self'; connect-src 'self'; "
POLICY += "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
"""Inline styles: the chart library and the bars set sizes by them; names from routers are only ever set as text."""


class _Page:
    def __init__(self, database: Database, now_ms: Callable[[], int]) -> None:
        self._reader = DatabaseReader(database)
        self._now_ms = now_ms
        self._answers: dict[str, tuple[float, str]] = {}
        self._turn = asyncio.Lock()

    @needs("open")
    async def index(self, _: web.Request) -> web.Response:
        return _part("index.html")

    @needs("open")
    async def part(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name not in PARTS:
            raise web.HTTPNotFound
        return _part(name)

    @needs("read")
    async def board(self, request: web.Request) -> web.Response:
        span = request.query.get("span", "1h")
        if span not in SPANS:
            raise UsageError(f"span must be one of {', '.join(SPANS)}")
        async with self._turn:  # many readers ask for one answer, and one question at a time is asked of the ledger
            made, text = self._answers.get(span, (-1e9, ""))
            if time.monotonic() - made > SPANS[span].fresh_s:
                found = await asyncio.to_thread(board, self._reader, span, self._now_ms())
                text = json.dumps(found, ensure_ascii=False)
                self._answers[span] = (time.monotonic(), text)
        return web.Response(text=text, content_type="application/json")


def page_routes(
    database: Database, now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000
) -> list[web.RouteDef]:
    """Routes for `WorkerHttp(extra=...)`."""
    page = _Page(database, now_ms)
    return [web.get("/", page.index), web.get("/page/{name}", page.part), web.get("/v1/board", page.board)]


def _part(name: str) -> web.Response:
    return web.Response(
        body=_bytes(name),
        content_type=PARTS[name],
        charset="utf-8",
        headers={"Content-Security-Policy": POLICY},
    )


@cache
def _bytes(name: str) -> bytes:
    return (files("streams.page") / "static" / name).read_bytes()
