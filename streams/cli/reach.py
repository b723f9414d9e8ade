"""Three ways to one ledger, read-only: a running `--embedded DIR`, a stopped one, a ClickHouse server by settings.

    with reach(embedded, settings) as ledger:
        ledger.rows("SELECT agent_id, sum(cost_usd) FROM calls GROUP BY agent_id")

- DIR in use by a running instance: its own HTTP endpoint (DIR/run.json says where).
- DIR that nobody uses: chDB on DIR/ledger in this process, which owns DIR meanwhile.
- No DIR: `clickhouse_url` of the settings.

Read-only by the engine (`readonly=1`, which the statement cannot take back), not by looking at the text. Over HTTP with
the standard library, so that `spendstream sql` answers at once. Everything blocks.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import ssl
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from streams.cli.older import AT_SERVERS, AT_WORKER, at_directory, older
from streams.errors import LedgerError, NotPossible, Unavailable, UsageError

DATABASE = "spendstream"
PATIENCE_S = 10.0
"""How long to wait for another reader, or for an owner that is just starting or stopping."""

JSON_SETTINGS: Mapping[str, str] = {
    "date_time_output_format": "iso",
    "output_format_json_quote_decimals": "1",
    "output_format_json_quote_64bit_integers": "0",
    "output_format_json_quote_denormals": "0",
    "output_format_json_validate_utf8": "1",
}
"""Decimals as strings (exact), counts as numbers, instants as ISO 8601 with Z, no NaN, always valid UTF-8."""

ELSEWHERE = " (SPENDSTREAM_CLICKHOUSE_URL names another server, --embedded DIR a directory)"
"""What one may do who meant another ledger."""

_BUSY_CODES = frozenset({"159", "202", "209", "210", "241"})
"""ClickHouse's codes for what may pass by itself: time, too many queries, sockets, memory."""


_MISSING_CODES = frozenset({"10", "16", "47", "60"})
"""ClickHouse's codes for a column, identifier or table that is not there."""


class _Missing(LedgerError):
    """The ledger lacks what a statement names."""


class Ledger(Protocol):
    """What commands read from."""

    def text(
        self, sql: str, fmt: str, parameters: Mapping[str, Any] | None = None, settings: Mapping[str, str] | None = None
    ) -> bytes:
        """One statement's result in a ClickHouse format.

        `{name:Type}` in the SQL takes `parameters[name]`. Raises `LedgerError` (refused, failed) or `Unavailable`.
        """
        ...

    def rows(
        self, sql: str, parameters: Mapping[str, Any] | None = None, settings: Mapping[str, str] | None = None
    ) -> list[list[Any]]:
        """All rows; decimals are strings, instants ISO 8601 with Z."""
        ...


class _Rows:
    """`text` and `rows` by way of `_run`; a ledger that is too old for a statement is called so."""

    todo = AT_SERVERS
    """What to do about an older ledger."""

    def _run(
        self, sql: str, fmt: str, parameters: Mapping[str, Any] | None = None, settings: Mapping[str, str] | None = None
    ) -> bytes:
        raise NotImplementedError

    def text(
        self, sql: str, fmt: str, parameters: Mapping[str, Any] | None = None, settings: Mapping[str, str] | None = None
    ) -> bytes:
        """See `Ledger.text`."""
        try:
            return self._run(sql, fmt, parameters, settings)
        except _Missing as error:
            missing = self._missing()
            if not missing:
                raise
            raise older(missing, self.todo, str(error)) from None

    def rows(
        self, sql: str, parameters: Mapping[str, Any] | None = None, settings: Mapping[str, str] | None = None
    ) -> list[list[Any]]:
        """See `Ledger.rows`."""
        answer = self.text(sql, "JSONCompact", parameters, {**JSON_SETTINGS, **(settings or {})})
        rows: list[list[Any]] = json.loads(answer)["data"]
        return rows

    def _missing(self) -> int:
        """How many migrations the ledger lacks, which may be why a table is missing. 0 where there is no ledger."""
        from streams.ledger.migrate import migrations

        try:
            answer = self._run("SELECT groupArray(number) FROM migrations", "JSONCompact")
        except LedgerError:
            return 0
        return len({one.number for one in migrations()} - {int(number) for number in json.loads(answer)["data"][0][0]})


class HttpLedger(_Rows):
    """A ledger behind ClickHouse's HTTP protocol; one connection a query, so any number of threads may ask."""

    def __init__(self, url: str, *, timeout_s: float = 300.0, hint: str = "", todo: str = AT_SERVERS) -> None:
        """`url`: http(s)://user:password@host:port/database. Connects to nothing yet.

        `hint`: what to say behind "does not answer". `todo`: what to do about an older ledger.
        """
        self._hint = hint
        self.todo = todo
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise UsageError("clickhouse_url is no ClickHouse URL: use http(s)://host:8123/database")
        self._tls = parts.scheme == "https"
        self._host = parts.hostname
        self._port = parts.port or (8443 if self._tls else 8123)
        self._database = parts.path.strip("/") or DATABASE
        self._timeout_s = timeout_s
        ca_file = dict(parse_qsl(parts.query)).get("ca_file")
        try:
            self._context = ssl.create_default_context(cafile=ca_file) if self._tls else None
        except OSError as error:
            raise UsageError(f"ca_file of the ClickHouse URL: {ca_file}: {error}") from None
        self._headers = {"Content-Type": "text/plain; charset=utf-8"}
        if parts.username:
            secret = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
            self._headers["Authorization"] = "Basic " + base64.b64encode(secret).decode()

    def _run(
        self, sql: str, fmt: str, parameters: Mapping[str, Any] | None = None, settings: Mapping[str, str] | None = None
    ) -> bytes:
        # wait_end_of_query: a fault halfway is then a status, not the tail of half a result.
        asked = {"database": self._database, "default_format": fmt, "wait_end_of_query": "1", "readonly": "1"}
        asked |= {f"param_{name}": parameter(value) for name, value in (parameters or {}).items()}
        asked |= settings or {}
        connection: http.client.HTTPConnection
        if self._context is not None:
            context = self._context
            connection = http.client.HTTPSConnection(self._host, self._port, timeout=self._timeout_s, context=context)
        else:
            connection = http.client.HTTPConnection(self._host, self._port, timeout=self._timeout_s)
        try:
            connection.request("POST", "/?" + urlencode(asked), sql.encode("utf-8", "surrogateescape"), self._headers)
            answer = connection.getresponse()
            body = answer.read()
        except (OSError, http.client.HTTPException) as error:
            why = str(error) or type(error).__name__
            raise Unavailable(f"ClickHouse at {self._host}:{self._port} does not answer: {why}{self._hint}") from error
        finally:
            connection.close()
        if answer.status != 200:
            code = answer.headers.get("X-ClickHouse-Exception-Code", "")
            raise _fault(code, body.decode("utf-8", "replace"))
        return body


class EngineLedger(_Rows):
    """A ledger directory opened by this process."""

    def __init__(self, path: Path, database: str = DATABASE, *, todo: str = AT_SERVERS) -> None:
        """Open chDB at `path`; the caller sees to it that no other process has it. `todo`: as of `HttpLedger`."""
        from streams.embedded.engine import ChdbEngine, EngineError, Limits

        self.todo = todo
        self._fault: type[EngineError] = EngineError
        self._database = database
        self._engine = ChdbEngine(path, database=database, limits=Limits(seconds=600))

    def _run(
        self, sql: str, fmt: str, parameters: Mapping[str, Any] | None = None, settings: Mapping[str, str] | None = None
    ) -> bytes:
        values = {name: parameter(value) for name, value in (parameters or {}).items()}
        try:
            return self._engine.run(sql, fmt, values, settings or {}, self._database).body
        except self._fault as error:
            raise _fault(str(error.code), error.message) from None

    def close(self) -> None:
        """Let the directory go."""
        self._engine.close()


@contextlib.contextmanager
def reach(embedded: Path | None, clickhouse_url: str) -> Iterator[Ledger]:
    """The ledger of `embedded`, running or stopped; of `clickhouse_url` when `embedded` is None.

    Raises `UsageError` when DIR holds no ledger, `NotPossible` when it is busy for longer than `PATIENCE_S`.
    """
    if embedded is None:
        parts = urlsplit(clickhouse_url)
        if parts.scheme == "chdb":
            with contextlib.closing(EngineLedger(Path(parts.path))) as ledger:
                yield ledger
            return
        yield HttpLedger(clickhouse_url, hint=ELSEWHERE)
        return

    from streams.embedded.directory import Layout, find_running, own

    layout = Layout(embedded.expanduser().absolute())
    if not (layout.ledger / "metadata").is_dir():
        raise UsageError(f"no ledger in {embedded}: `spendstream replay FILES --embedded {embedded}` makes one")
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            running = find_running(layout.root)
            owned = None if running is not None else own(layout.root)
            break
        except (NotPossible, UsageError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
    if running is not None:
        yield HttpLedger(f"http://{running.clickhouse}/{DATABASE}", todo=AT_WORKER)
        return
    assert owned is not None
    with owned, contextlib.closing(EngineLedger(layout.ledger, todo=at_directory(embedded))) as ledger:
        yield ledger


READING = frozenset({"select", "with", "(", "show", "describe", "desc", "exists", "explain"})
"""First words of statements that only read, as the engine's parser prints them."""


def refuse_writes(ledger: Ledger, sql: str) -> None:
    """Refuse, with a clear message, what is no reading statement: `LedgerError`. What does not parse passes.

    The engine refuses by `readonly` what this lets pass; but a server's readonly leaves some statements (KILL QUERY)
    to the user's rights. The engine's own parser says what the statement is, so that no comment can hide it.
    """
    [[canonical]] = ledger.rows("SELECT formatQuerySingleLineOrNull({sql:String})", {"sql": sql})
    if canonical is None:
        return  # running it says where the fault is
    first = (str(canonical).split(None, 1) or [""])[0].lower()
    if first not in READING and not first.startswith("("):
        raise LedgerError(f"refused: {first.upper()} would change something, and this is read-only")


def parameter(value: object) -> str:
    """A query parameter's value as ClickHouse reads it (escaped form; lists as array literals)."""
    if isinstance(value, list | tuple):
        return "[" + ",".join(_item(item) for item in value) + "]"
    return _escaped(str(value))


def _item(value: object) -> str:
    if isinstance(value, str):
        return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
    return str(value)


def _escaped(text: str) -> str:
    for plain, escape in (("\\", "\\\\"), ("\t", "\\t"), ("\n", "\\n"), ("\r", "\\r"), ("\0", "\\0")):
        text = text.replace(plain, escape)
    return text


def _fault(code: str, message: str) -> Unavailable | LedgerError:
    first = (message.strip().splitlines() or ["no message"])[0][:1000]
    if code in _BUSY_CODES:
        return Unavailable(f"ClickHouse cannot do it now: {first}")
    return (_Missing if code in _MISSING_CODES else LedgerError)(f"ClickHouse refused: {first}")
