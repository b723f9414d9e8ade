"""Listens for one worker: routes with their scopes, behind the guard, within limits.

Contract
    - Every route's handler says its scope; one that does not is refused when the server is made (ValueError).
    - It listens beyond loopback only with tokens, or when the operator said that everybody may ask (`open_to_all`).
    - Bounded: `MAX_CONNECTIONS` at once (one more is closed at once), `MAX_BODY_BYTES` a body, `MAX_HEADER_BYTES` a
      line and a field, a connection that says nothing for `IDLE_S` is closed, also in the middle of a request's head.
    - No answer carries a traceback.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web

from streams.errors import NotPossible, UsageError
from streams.http.guard import SECONDS, Guard
from streams.http.loopback import is_loopback
from streams.http.rate import Rate
from streams.http.scopes import scope_of
from streams.http.tokens import Tokens

MAX_BODY_BYTES = 1 << 20
MAX_HEADER_BYTES = 16 * 1024
MAX_CONNECTIONS = 256
"""A worker's HTTP is for a scraper, a few routers and people; each connection holds a file and about 50 KB."""
IDLE_S = 20.0


@dataclass(frozen=True, slots=True)
class Access:
    """Who may ask, and how much."""

    tokens: Tokens = field(default_factory=Tokens)
    open_to_all: bool = False
    """Listen beyond loopback without tokens: something in front of the worker asks for them."""
    requests_per_second: float = 50.0
    """Of one address."""
    certificate: Path | None = None
    key: Path | None = None
    """PEM files: with them it speaks TLS."""
    max_connections: int = MAX_CONNECTIONS
    max_body_bytes: int = MAX_BODY_BYTES
    idle_s: float = IDLE_S
    seconds: float = SECONDS
    """Of one answer."""


class HttpServer:
    """`await start(host, port)`, then `await stop()`."""

    def __init__(
        self,
        routes: Sequence[web.RouteDef],
        access: Access | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        for route in routes:
            if scope_of(route.handler) is None:
                raise ValueError(f"{route.method} {route.path}: its handler needs a scope (streams.http.scopes.needs)")
        self._routes = list(routes)
        self._access = access or Access()
        self._clock = clock
        self._runner: web.AppRunner | None = None
        self.guard: Guard | None = None

    async def start(self, host: str, port: int) -> tuple[str, int]:
        """Listen; port 0 picks a free one. Returns where. Raises `UsageError` when it may not or cannot listen."""
        access = self._access
        if not access.tokens and not access.open_to_all and not is_loopback(host):
            raise UsageError(open_refusal(host))
        guard = self.guard = Guard(
            access.tokens, Rate(access.requests_per_second), host, seconds=access.seconds, clock=self._clock
        )
        app = web.Application(client_max_size=access.max_body_bytes, middlewares=[guard.middleware])
        app.on_response_prepare.append(guard.headers)
        app.add_routes(self._routes)
        self._runner = web.AppRunner(
            app,
            access_log=None,
            auto_decompress=False,
            keepalive_timeout=access.idle_s,
            lingering_time=2.0,
            max_line_size=MAX_HEADER_BYTES,
            max_field_size=MAX_HEADER_BYTES,
            shutdown_timeout=5.0,
        )
        await self._runner.setup()
        try:
            site = _LimitedSite(self._runner, host, port, ssl_context=_tls(access), limit=access.max_connections)
            await site.start()
        except OSError as error:
            await self.stop()
            raise NotPossible(
                f"cannot listen on {host}:{port} ({error.strerror}): another worker may use the port; "
                "set SPENDSTREAM_HTTP_PORT to another one, or to 0 for any"
            ) from error
        except BaseException:
            await self.stop()
            raise
        address = self._runner.addresses[0]
        return str(address[0]), int(address[1])

    async def stop(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None


class _LimitedSite(web.TCPSite):
    """Closes connections beyond `limit` as they come."""

    __slots__ = ("_limit",)

    def __init__(
        self, runner: web.AppRunner, host: str, port: int, *, ssl_context: ssl.SSLContext | None, limit: int
    ) -> None:
        super().__init__(runner, host, port, ssl_context=ssl_context)
        self._limit = limit

    async def start(self) -> None:
        """As TCPSite's, with a protocol factory that counts."""
        await web.BaseSite.start(self)
        server = self._runner.server
        assert server is not None

        def protocol() -> asyncio.Protocol:
            return server() if len(server.connections) < self._limit else _Full()

        self._server = await asyncio.get_running_loop().create_server(
            protocol, self._host, self._port, ssl=self._ssl_context, backlog=self._backlog
        )


class _Full(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        transport.write(b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
        transport.close()


def _tls(access: Access) -> ssl.SSLContext | None:
    if access.certificate is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(access.certificate, access.key)
    except (OSError, ssl.SSLError) as error:
        why = getattr(error, "strerror", None) or error
        raise UsageError(f"http_tls_certificate: {access.certificate} and its key cannot be used: {why}") from error
    return context


def open_refusal(host: str) -> str:
    """Why a worker does not listen, and what to do."""
    return (
        f"http_host {host!r} is reached from other machines, and no tokens are set: set SPENDSTREAM_HTTP_TOKENS_FILE "
        "(docs/security.md), or SPENDSTREAM_HTTP_OPEN=true when something in front of the worker lets only the right "
        "ones through"
    )
