"""ClickHouse's HTTP protocol, read-only, over an `Engine`: the embedded ledger for clients of a real server.

    GET or POST /?query=...    result in the query's FORMAT, else `default_format`, else TabSeparated
    GET /ping                  `Ok.`

As a server does: the body is the query or the rest of it (or the form has a field `query`); `database`,
`default_format`, `query_id`, `param_*` and their headers; any other name is a setting; errors carry
`X-ClickHouse-Exception-Code` and the server's status; `X-ClickHouse-Summary`, `-Format`, `-Query-Id`, `-Timezone`. gzip
when the client prefers it and says `enable_http_compression=1`. Users, passwords, sessions and roles are accepted
and ignored: whoever reaches the port may read.

Because of that it listens on loopback unless told otherwise, and there refuses requests that name another host (a web
page that had its name point here) or come from another site's page. Queries run in a small pool of threads, so that a
slow one delays nobody; when too many wait, the answer is code 202.

Known limits: no inserts, sessions or temporary tables, progress headers, ClickHouse's own block compression
(`compress=1`, answered with NOT_IMPLEMENTED) or `client_protocol_version` above 0 (ignored; clickhouse-connect finds
that out by itself, a client that relies on it must ask for another format than Native).
"""

from __future__ import annotations

import asyncio
import gzip
import json
import uuid
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from aiohttp import web

from streams.embedded.engine import Engine, EngineError, EngineResult
from streams.errors import NotPossible
from streams.http.loopback import is_loopback, is_own_origin, names_loopback

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

THREADS = 4
MAX_WAITING = 64
MAX_QUERY_BYTES = 4 * 1024 * 1024
MAX_URL_BYTES = 1024 * 1024
"""The server's `http_max_uri_size`; aiohttp's own bound of 8 KB is too little for a board's query."""
GZIP_FROM_BYTES = 1024

NOT_IMPLEMENTED = 48
TOO_MANY_SIMULTANEOUS_QUERIES = 202
BAD_ARGUMENTS = 36
QUERY_IS_TOO_LARGE = 350

CONTROL_PARAMETERS = frozenset(
    {
        *("query", "database", "default_format", "query_id", "user", "password", "quota_key", "role", "stacktrace"),
        *("session_id", "session_timeout", "session_check", "buffer_size", "wait_end_of_query", "compress"),
        *("decompress", "client_protocol_version", "enable_http_compression", "http_zlib_compression_level"),
        *("send_progress_in_http_headers", "http_headers_progress_interval_ms", "add_http_cors_header"),
        *("cancel_http_readonly_queries_on_client_close", "readonly"),
    }
)
"""Parameters that are no settings of the query. `readonly` is given by careful clients; it always is, here."""

STATUS_OF_CODE = {
    **dict.fromkeys((6, 25, 26, 27, 38, 41, 43, 44, 53, 62, 72, 117, 167, 168, 223, 376, 427, 441, 675, 676), 400),
    **dict.fromkeys((46, 47, 50, 56, 60, 63, 73, 78, 81, 115, 336, 511), 404),
    **dict.fromkeys((159,), 408),
    **dict.fromkeys((QUERY_IS_TOO_LARGE,), 413),
    **dict.fromkeys((NOT_IMPLEMENTED,), 501),
    **dict.fromkeys((76, 209), 503),
}
"""As a server's: what cannot be parsed, what is not there, time, size, not built, files, sockets; the rest is 500."""

CONTENT_TYPE_OF_FORMAT = {
    "JSON": "application/json",
    "JSONCompact": "application/json",
    "JSONEachRow": "application/x-ndjson",
    "JSONCompactEachRow": "application/x-ndjson",
    "CSV": "text/csv",
    "CSVWithNames": "text/csv",
    "TabSeparated": "text/tab-separated-values",
    "TabSeparatedWithNames": "text/tab-separated-values",
    "TSV": "text/tab-separated-values",
    "TSVWithNames": "text/tab-separated-values",
    "Native": "application/octet-stream",
    "RowBinary": "application/octet-stream",
    "Parquet": "application/octet-stream",
    "Arrow": "application/octet-stream",
    "ArrowStream": "application/octet-stream",
}


@dataclass(frozen=True, slots=True)
class Request:
    """One query as the protocol spells it, put together."""

    sql: str
    fmt: str
    database: str
    query_id: str
    params: Mapping[str, str]
    settings: Mapping[str, str]


class ClickHouseHttp:
    """The endpoint: `await start()`, then `await stop()`."""

    def __init__(self, engine: Engine, host: str = "127.0.0.1", port: int = 0, *, threads: int = THREADS) -> None:
        """`port` 0: a free one. `host` other than loopback opens the ledger to whoever reaches the port."""
        self._engine = engine
        self._host = host
        self._port = port
        self._loopback = is_loopback(host)
        self._threads = threads
        self._waiting = 0
        self._timezone = "UTC"
        self._pool: ThreadPoolExecutor | None = None
        self._runner: web.AppRunner | None = None

    async def start(self) -> tuple[str, int]:
        """Ask the engine one question, listen, and return (host, port). UsageError when the port is taken."""
        self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="clickhouse-http")
        try:
            self._timezone = (
                (await self._run(Request("SELECT timezone()", "TSVRaw", "", "", {}, {}))).body.decode().strip()
            )
            app = web.Application(client_max_size=MAX_QUERY_BYTES, middlewares=[self._from_here])
            app.router.add_get("/ping", self._ping)
            app.router.add_route("GET", "/", self._query)
            app.router.add_route("POST", "/", self._query)
            self._runner = web.AppRunner(
                app, access_log=None, max_line_size=MAX_URL_BYTES, max_field_size=64 * 1024, shutdown_timeout=5.0
            )
            await self._runner.setup()
            site = web.TCPSite(self._runner, self._host, self._port)
            try:
                await site.start()
            except OSError as error:
                raise NotPossible(
                    f"cannot listen on {self._host}:{self._port} for ClickHouse over HTTP: {error.strerror}; "
                    "choose another port, or 0 for a free one"
                ) from error
        except BaseException:
            await self.stop()
            raise
        self._port = self._runner.addresses[0][1]
        return self._host, self._port

    async def stop(self) -> None:
        """Stop listening, give running requests a few seconds, and wait for the queries in the engine."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()
        pool, self._pool = self._pool, None
        if pool is not None:
            await asyncio.to_thread(pool.shutdown, wait=True, cancel_futures=True)

    @web.middleware
    async def _from_here(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if self._loopback and not names_loopback(request.headers.get("Host", ""), self._host):
            return _failure(BAD_ARGUMENTS, "this endpoint answers on loopback and under its name only", "", 403)
        if not is_own_origin(request.headers.get("Origin"), request.headers.get("Host")):
            return _failure(BAD_ARGUMENTS, "pages of other sites may not ask this endpoint", "", 403)
        if request.headers.get("Sec-Fetch-Site", "none") not in {"none", "same-origin"}:
            return _failure(BAD_ARGUMENTS, "pages of other sites may not ask this endpoint", "", 403)
        return await handler(request)

    async def _ping(self, _request: web.Request) -> web.StreamResponse:
        return web.Response(text="Ok.\n")

    async def _query(self, http: web.Request) -> web.StreamResponse:
        query_id = http.query.get("query_id") or str(uuid.uuid4())
        try:
            request = await read_request(http, query_id)
            if not request.sql.strip():
                return web.Response(text="Ok.\n")
            result = await self._run(request)
        except EngineError as error:
            return _failure(error.code, error.message, query_id)
        except web.HTTPRequestEntityTooLarge:
            return _failure(QUERY_IS_TOO_LARGE, f"the query is larger than {MAX_QUERY_BYTES} bytes", query_id)
        return self._answer(http, request, result)

    async def _run(self, request: Request) -> EngineResult:
        assert self._pool is not None
        if self._waiting >= self._threads + MAX_WAITING:
            text = f"{self._waiting} queries are running or waiting; try again"
            raise EngineError(TOO_MANY_SIMULTANEOUS_QUERIES, _text(TOO_MANY_SIMULTANEOUS_QUERIES, text))
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(
                self._pool,
                self._engine.run,
                request.sql,
                request.fmt,
                request.params,
                request.settings,
                request.database,
            )
        finally:
            self._waiting -= 1

    def _answer(self, http: web.Request, request: Request, result: EngineResult) -> web.StreamResponse:
        summary = {
            "read_rows": result.rows_read,
            "read_bytes": result.bytes_read,
            "written_rows": 0,
            "written_bytes": 0,
            "total_rows_to_read": result.rows_read,
            "result_rows": result.rows,
            "result_bytes": len(result.body),
            "elapsed_ns": int(result.elapsed_s * 1e9),
        }
        content_type = CONTENT_TYPE_OF_FORMAT.get(result.format, "text/plain")
        headers = {
            "Content-Type": content_type + ("" if content_type.endswith("stream") else "; charset=UTF-8"),
            "X-ClickHouse-Query-Id": request.query_id,
            "X-ClickHouse-Format": result.format,
            "X-ClickHouse-Timezone": self._timezone,
            "X-ClickHouse-Server-Display-Name": "spendstream",
            "X-ClickHouse-Summary": json.dumps({name: str(value) for name, value in summary.items()}),
        }
        body = result.body
        if wants_gzip(http) and len(body) >= GZIP_FROM_BYTES:
            body = gzip.compress(body, compresslevel=1)
            headers["Content-Encoding"] = "gzip"
        return web.Response(body=body, headers=headers)


async def read_request(http: web.Request, query_id: str) -> Request:
    """Put the URL, the headers and the body together; EngineError for what this endpoint cannot do."""
    fields: dict[str, str] = dict(http.query)
    body = ""
    if http.method == "POST":
        # curl calls any --data urlencoded: as on a server, only multipart is a form.
        if http.content_type == "multipart/form-data":
            fields |= {name: value for name, value in (await http.post()).items() if isinstance(value, str)}
        else:
            try:
                body = (await http.read()).decode("utf-8")
            except UnicodeDecodeError as error:
                raise EngineError(BAD_ARGUMENTS, _text(BAD_ARGUMENTS, f"the query is not UTF-8: {error}")) from None
    if fields.get("compress", "0") not in {"", "0"} or fields.get("decompress", "0") not in {"", "0"}:
        why = "block compression (compress=1, decompress=1) is not there; HTTP compression is"
        raise EngineError(NOT_IMPLEMENTED, _text(NOT_IMPLEMENTED, why))
    query = fields.get("query", "")
    return Request(
        sql=f"{query}\n{body}" if query and body else query or body,
        fmt=fields.get("default_format") or http.headers.get("X-ClickHouse-Format") or "TabSeparated",
        database=fields.get("database") or http.headers.get("X-ClickHouse-Database") or "",
        query_id=query_id,
        params={name[len("param_") :]: value for name, value in fields.items() if name.startswith("param_")},
        settings={
            name: value
            for name, value in fields.items()
            if name not in CONTROL_PARAMETERS and not name.startswith("param_")
        },
    )


def wants_gzip(http: web.Request) -> bool:
    """Whether gzip is asked for, and is the first of the client's encodings: on loopback, bytes are cheap."""
    first = http.headers.get("Accept-Encoding", "").split(",")[0].split(";")[0].strip().lower()
    return first == "gzip" and http.query.get("enable_http_compression", "0") not in {"", "0"}


def _failure(code: int, message: str, query_id: str, status: int | None = None) -> web.Response:
    headers = {"X-ClickHouse-Exception-Code": str(code)}
    if query_id:
        headers["X-ClickHouse-Query-Id"] = query_id
    text = message if message.startswith("Code: ") else _text(code, message)
    return web.Response(status=status or STATUS_OF_CODE.get(code, 500), text=text + "\n", headers=headers)


def _text(code: int, why: str) -> str:
    return f"Code: {code}. DB::Exception: {why}."
