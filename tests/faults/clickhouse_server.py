"""A ClickHouse server for the tests: its HTTP protocol, reading and writing, before the real engine (chDB).

    python -m tests.faults.clickhouse_server --path DIR --port N [--user U --password P] [--certificate F --key F]

What workers of several processes share in production they share here: one engine, users, TLS. Known differences:
inserts by `input(...)` reach the engine as `file(...)` on the same bytes, since chDB has no input stream (the statement
as sent is given to the engine's parser first); no sessions, no progress.

Faults are ordered over HTTP (`POST /_order`), as JSON; an order stands until the next one:
    delay_s   seconds to wait before a statement is run
    code      answer inserts with this error code instead of running them
    lose      run inserts, then close the connection without an answer
    times     how many inserts `code` or `lose` meet; absent: all
`GET /_orders` tells how many inserts met the order, and how many inserts the engine itself refused, by its code.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import hmac
import json
import os
import re
import ssl
import tempfile
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import chdb
from aiohttp import web

from streams.embedded.clickhouse_http import CONTROL_PARAMETERS, STATUS_OF_CODE

INSERT = re.compile(rb"\s*insert\s", re.IGNORECASE)
INPUT = re.compile(r"FROM input\('(?P<structure>(?:[^'\\]|\\.)*)'\)(?P<rest>.*) FORMAT ArrowStream\s*\Z", re.DOTALL)


class Server:
    """The endpoint. One process, one engine."""

    def __init__(self, path: str, user: str, password: str) -> None:
        self._path = path
        self._user, self._password = user, password
        self._pool = ThreadPoolExecutor(8, thread_name_prefix="engine")
        connect: Any = chdb.connect  # chdb is typed in part only
        self._connect = connect
        self._anchor = connect(path)
        self._order: dict[str, Any] = {}
        self._met = 0
        self._refused: Counter[int] = Counter()
        self._parsed: set[str] = set()

    def app(self) -> web.Application:
        """The routes."""
        app = web.Application(client_max_size=1 << 30)
        app.router.add_get("/ping", self._ping)
        app.router.add_post("/_order", self._take_order)
        app.router.add_get("/_orders", self._tell)
        app.router.add_route("*", "/", self._statement)
        return app

    async def _ping(self, _: web.Request) -> web.Response:
        return web.Response(text="Ok.\n")

    async def _take_order(self, request: web.Request) -> web.Response:
        self._order, self._met = await request.json(), 0
        return web.Response(text="Ok.\n")

    async def _tell(self, _: web.Request) -> web.Response:
        return web.json_response({"met": self._met, "refused": self._refused})

    async def _statement(self, request: web.Request) -> web.StreamResponse:
        if not self._knows(request):
            return _failure(516, f"{self._user}: Authentication failed: password is incorrect. (AUTHENTICATION_FAILED)")
        fields = dict(request.query)
        body = b""
        if request.content_type == "multipart/form-data":
            fields |= {name: value for name, value in (await request.post()).items() if isinstance(value, str)}
        else:
            body = await request.read()
        sql = fields.get("query", "")
        data: bytes | None = None
        if sql:
            data = body or None
        else:
            sql = body.decode()
        if not sql.strip():
            return web.Response(text="Ok.\n")
        await asyncio.sleep(self._order.get("delay_s", 0))
        insert = bool(INSERT.match(sql.encode()))
        met = insert and ("code" in self._order or "lose" in self._order) and self._meets()
        if met and "code" in self._order:
            return _failure(self._order["code"], "ordered by the test")
        try:
            answer = await asyncio.get_running_loop().run_in_executor(self._pool, self._run, sql, data, fields)
        except RuntimeError as error:  # chdb.ChdbError is one
            found = re.search(r"Code: (\d+)", str(error))
            code = int(found.group(1)) if found else 1002
            self._refused[code] += insert
            return _failure(code, str(error))
        if met:
            assert request.transport is not None
            request.transport.abort()
        return answer

    def _meets(self) -> bool:
        if self._met >= self._order.get("times", 1 << 60):
            return False
        self._met += 1
        return True

    def _knows(self, request: web.Request) -> bool:
        if not self._user:
            return True
        name, password = request.headers.get("X-ClickHouse-User", ""), request.headers.get("X-ClickHouse-Key", "")
        kind, _, told = request.headers.get("Authorization", "").partition(" ")
        if kind == "Basic":
            name, _, password = base64.b64decode(told).decode().partition(":")
        return hmac.compare_digest(f"{name}:{password}".encode(), f"{self._user}:{self._password}".encode())

    def _run(self, sql: str, data: bytes | None, query: dict[str, str]) -> web.Response:
        with contextlib.ExitStack() as stack:
            handle = stack.enter_context(contextlib.closing(self._connect(self._path)))
            if query.get("database"):
                handle.query(f"USE `{query['database']}`", "TSV")
            for name, value in query.items():
                if name not in CONTROL_PARAMETERS and not name.startswith("param_"):
                    with contextlib.suppress(RuntimeError):  # a setting that this build does not have
                        handle.query(f"SET {name} = '{value}'", "TSV")
            if data is not None:
                sql = self._spooled(stack, handle, sql, data)
            params = {name.removeprefix("param_"): value for name, value in query.items() if name.startswith("param_")}
            result = handle.query(sql, query.get("default_format", "TabSeparated"), params=params)
            summary = {"read_rows": str(result.rows_read()), "written_rows": "0", "result_rows": "0"}
            return web.Response(
                body=result.bytes() or b"",
                headers={
                    "X-ClickHouse-Query-Id": query.get("query_id") or str(uuid.uuid4()),
                    "X-ClickHouse-Timezone": "UTC",
                    "X-ClickHouse-Summary": json.dumps(summary),
                },
            )

    def _spooled(self, stack: contextlib.ExitStack, handle: Any, sql: str, data: bytes) -> str:
        """The statement with its data in a file of shared memory."""
        found = INPUT.search(sql)
        if found is None:
            raise RuntimeError("Code: 48. DB::Exception: data comes by input(...) FORMAT ArrowStream only, here")
        structure = found["structure"]
        if structure not in self._parsed:
            handle.query("SELECT formatQuerySingleLine({sql:String})", "TSVRaw", params={"sql": _escaped(sql)})
            self._parsed.add(structure)
        folder = "/dev/shm" if os.path.isdir("/dev/shm") else None
        file = tempfile.NamedTemporaryFile(dir=folder)  # noqa: SIM115 (the stack closes it)
        stack.enter_context(file)
        file.write(data)
        file.flush()
        return f"{sql[: found.start()]}FROM file('{file.name}', 'ArrowStream', '{structure}'){found['rest']}"


def _escaped(text: str) -> str:
    """A String parameter's value is read in ClickHouse's escaped form."""
    return text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n")


def _failure(code: int, message: str) -> web.Response:
    text = message if message.startswith("Code: ") else f"Code: {code}. DB::Exception: {message}"
    status = 403 if code == 516 else STATUS_OF_CODE.get(code, 500)
    return web.Response(status=status, text=text + "\n", headers={"X-ClickHouse-Exception-Code": str(code)})


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--path", required=True)
    parser.add_argument("--port", type=int, required=True)
    for option in ("--user", "--password", "--certificate", "--key"):
        parser.add_argument(option, default="")
    options = parser.parse_args()
    tls = None
    if options.certificate:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(options.certificate, options.key)
    server = Server(options.path, options.user, options.password)
    web.run_app(
        server.app(), host="127.0.0.1", port=options.port, ssl_context=tls, print=None, access_log=None,
        handler_cancellation=False,
        max_line_size=1 << 20,
        max_field_size=1 << 20,
    )  # fmt: skip


if __name__ == "__main__":
    main()
