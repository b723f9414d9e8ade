"""Listens for one worker: routes with their scopes, behind the guard."""

from __future__ import annotations

from collections.abc import Sequence

from aiohttp import web

from streams.errors import UsageError
from streams.http.scopes import scope_of


class HttpServer:
    """`await start(host, port)`, then `await stop()`."""

    def __init__(self, routes: Sequence[web.RouteDef]) -> None:
        """Raises ValueError for a route whose handler says no scope."""
        for route in routes:
            if scope_of(route.handler) is None:
                raise ValueError(f"{route.method} {route.path}: its handler needs a scope (streams.http.scopes.needs)")
        self._routes = list(routes)
        self._runner: web.AppRunner | None = None

    async def start(self, host: str, port: int) -> tuple[str, int]:
        """Listen; port 0 picks a free one. Returns where. Raises `UsageError` when the port is taken."""
        app = web.Application()
        app.add_routes(self._routes)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port)
        try:
            await site.start()
        except OSError as error:
            await self.stop()
            raise UsageError(
                f"cannot listen on {host}:{port} ({error.strerror}): another worker may use the port; "
                "set SPENDSTREAM_HTTP_PORT to another one, or to 0 for any"
            ) from error
        address = self._runner.addresses[0]
        return str(address[0]), int(address[1])

    async def stop(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
