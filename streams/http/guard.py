"""The middleware that every request passes, in this order:

    1. rate      of the caller's address, before anything costs something
    2. site      on loopback only requests that name loopback (a page whose name was made to point here does not), and
                 never a page of another site: browsers say so by Origin and Sec-Fetch-Site
    3. token     `Authorization: Bearer TOKEN`; without tokens every caller is "local" (the worker refuses to listen
                 beyond loopback then, unless the operator said so)
    4. scope     of the handler (`streams.http.scopes.needs`)
    5. time      a handler has `SECONDS` in all, the body's arrival included

What a handler raises becomes one JSON line without a traceback; the log has it by a number. Every answer carries
headers that forbid caching, framing and guessing its type.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from aiohttp import web

from streams.errors import SpendstreamError, Unavailable, UsageError
from streams.http.loopback import is_loopback, is_own_origin, names_loopback
from streams.http.rate import Rate
from streams.http.scopes import NOBODY, Caller, let_in, scope_of
from streams.http.tokens import Tokens

log = structlog.get_logger("spendstream.http")

SECONDS = 60.0
"""The longest answer is a day of windows out of the ledger; it takes seconds."""

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Server": "spendstream",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Guard:
    """One worker's; `middleware` and `headers` are given to the application."""

    def __init__(
        self,
        tokens: Tokens,
        rate: Rate,
        host: str,
        *,
        seconds: float = SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`host`: where it listens."""
        self._tokens = tokens
        self._rate = rate
        self._host = host
        self._loopback = is_loopback(host)
        self._seconds = seconds
        self._clock = clock

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """See the module."""
        wait_s = self._rate.take(request.remote or "", self._clock())
        if wait_s:
            return refusal(429, "too many requests", {"Retry-After": str(max(1, round(wait_s + 0.5)))})
        if not self._is_own_site(request):
            return refusal(403, "pages of other sites may not ask this endpoint")
        caller = self._caller(request)
        scope = scope_of(request.match_info.handler) or (
            "read" if request.match_info.http_exception is None else "open"
        )
        if not caller.may(scope):
            if caller == NOBODY:
                needed = "a token is needed: Authorization: Bearer TOKEN"
                why = "this token is not known here" if _presented(request) else needed
                return refusal(401, why, {"WWW-Authenticate": "Bearer"})
            return refusal(403, f"the token {caller.name!r} has the scope {caller.scope}; this needs {scope}")
        if request.body_exists and request.headers.get("Content-Encoding", "identity") != "identity":
            return refusal(415, "send the body as it is, without Content-Encoding")
        let_in(request, caller)
        return await self._answer(request, handler)

    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            async with asyncio.timeout(self._seconds):
                return await handler(request)
        except web.HTTPException as error:
            if error.status < 400:
                raise
            return refusal(error.status, error.reason, {k: v for k, v in error.headers.items() if k == "Allow"})
        except TimeoutError:
            return refusal(503, f"no answer within {self._seconds:.0f} s")
        except UsageError as error:
            return refusal(400, str(error))
        except Unavailable as error:
            return refusal(503, str(error))
        except SpendstreamError as error:
            return refusal(500, str(error))
        except asyncio.CancelledError:
            raise
        except Exception as error:
            number = secrets.token_hex(4)
            log.error("a request failed", number=number, path=request.path, error=type(error).__name__, exc_info=error)
            return refusal(500, f"a fault of ours; the log has it by the number {number}")

    def _is_own_site(self, request: web.Request) -> bool:
        if self._loopback and not names_loopback(request.headers.get("Host", ""), self._host):
            return False
        if not is_own_origin(request.headers.get("Origin"), request.headers.get("Host")):
            return False
        return request.headers.get("Sec-Fetch-Site", "none") in {"none", "same-origin"}

    def _caller(self, request: web.Request) -> Caller:
        if not self._tokens:
            return Caller("local", "admin")
        token = _presented(request)
        return (self._tokens.caller(token) if token else None) or NOBODY

    async def headers(self, _request: web.Request, response: web.StreamResponse) -> None:
        """Put the headers on every answer, also on those that no handler made."""
        for name, value in HEADERS.items():
            if name == "Content-Security-Policy":
                response.headers.setdefault(name, value)  # a page names what it loads from here
            else:
                response.headers[name] = value


def _presented(request: web.Request) -> str:
    """The token that the request brings; empty without one."""
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if kind.lower() == "bearer" else ""


def refusal(status: int, why: str, headers: dict[str, str] | None = None) -> web.Response:
    """One JSON line."""
    body: dict[str, Any] = {"error": why}
    return web.Response(
        text=json.dumps(body), status=status, content_type="application/json", headers=headers, reason=None
    )
