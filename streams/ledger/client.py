"""The one door to ClickHouse: a server over HTTP, or chDB, the same engine inside this process.

Only this module imports clickhouse_connect. Everything here blocks; the event loop calls it in a thread.

    Database(url)  url: `http(s)://user:password@host:8123/database` or `chdb:///absolute/directory`;
                   `?ca_file=/path` names who signed an https server's certificate, where the system does not know

Faults are sorted once, here: what may pass by itself is `Unavailable` (retry with back-off), what will not is
`LedgerError`. chDB belongs to one process: a second one on the same directory must use the first one's HTTP port.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import clickhouse_connect
import pyarrow as pa
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError, DatabaseError, OperationalError

from streams.errors import LedgerError, Unavailable, UsageError

DATABASE = "spendstream"

_FREE_BYTES = 64 << 20
"""Of the embedded ledger's disk: several times the largest insert, and what merges take meanwhile."""

_TRANSIENT_CODES = frozenset({
    75,  # CANNOT_WRITE_TO_FILE_DESCRIPTOR: the disk is full
    159,  # TIMEOUT_EXCEEDED
    202,  # TOO_MANY_SIMULTANEOUS_QUERIES
    209, 210,  # SOCKET_TIMEOUT, NETWORK_ERROR
    241,  # MEMORY_LIMIT_EXCEEDED
    242,  # TABLE_IS_READ_ONLY
    243,  # NOT_ENOUGH_SPACE
    252,  # TOO_MANY_PARTS
    319,  # UNKNOWN_STATUS_OF_INSERT
    394,  # QUERY_WAS_CANCELLED
    999,  # KEEPER_EXCEPTION
})  # fmt: skip


class Database:
    """A handful of connections to one database, each used by one thread at a time."""

    def __init__(self, url: str, *, database: str | None = None, create: bool = False, timeout_s: float = 60.0) -> None:
        """Connect. `create`: make the database when it is not there (`migrate` and the workers do).

        Raises `Unavailable` when the server does not answer, `UsageError` for a URL that is none of the two forms.
        """
        self._url = urlsplit(url)
        self.embedded = self._url.scheme == "chdb"
        if self._url.scheme not in {"chdb", "http", "https"}:
            raise UsageError(
                f"{_without_password(url)!r} is no ClickHouse URL: use http(s)://host:8123 or chdb:///directory"
            )
        options = dict(parse_qsl(self._url.query))
        self._ca_file = options.pop("ca_file", None)
        if options:
            raise UsageError(f"a ClickHouse URL has no option {', '.join(sorted(options))}: there is ca_file")
        if self._ca_file is not None and not Path(self._ca_file).is_file():
            raise UsageError(f"ca_file of the ClickHouse URL: there is no file {self._ca_file}")
        path = self._url.path.strip("/")
        self.database = database or (path if path and not self.embedded else DATABASE)
        self._timeout_s = timeout_s
        self._lock = threading.Lock()
        self._idle: list[Client] = []
        self._closed = False
        if create:
            with self._client(database=False) as client:
                client.command(f"CREATE DATABASE IF NOT EXISTS `{self.database}`", use_database=False)
        with self._client():
            pass

    # -- reading and commands ------------------------------------------------------------------------------------

    def rows(self, sql: str, parameters: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """All rows of a query as Python values. `{name:Type}` in the SQL takes `parameters[name]`."""
        with self._client() as client:
            return [tuple(row) for row in client.query(sql, parameters=dict(parameters or {})).result_rows]

    def table(self, sql: str, parameters: Mapping[str, Any] | None = None) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Column names and rows of a query."""
        with self._client() as client:
            result = client.query(sql, parameters=dict(parameters or {}))
            return list(result.column_names), [tuple(row) for row in result.result_rows]

    def arrow(self, sql: str, parameters: Mapping[str, Any] | None = None, *, binary: bool = False) -> pa.Table:
        """All rows of a query as an Arrow table: for millions of rows. `binary`: texts as bytes, for those that are no
        UTF-8.
        """
        with self._client() as client:
            return client.query_arrow(sql, parameters=dict(parameters or {}), use_strings=not binary)

    def command(self, sql: str, parameters: Mapping[str, Any] | None = None) -> None:
        """Run a statement that returns nothing of interest."""
        with self._client() as client:
            client.command(sql, parameters=dict(parameters or {}))

    # -- writing -------------------------------------------------------------------------------------------------

    def insert(
        self,
        table: str,
        columns: Sequence[tuple[str, str]],
        data: pa.Table,
        *,
        token: str,
        where: str = "1",
        settings: Mapping[str, int | str] | None = None,
    ) -> None:
        """Insert an Arrow table as one block, once: repeating the same bytes with the same `token` writes nothing.

        `columns`: (name, ClickHouse type) of each column of `data`, in its order; others take their defaults.
        `where`: a condition on the rows; what does not hold it is silently not written.
        """
        names = ", ".join(f"`{name}`" for name, _ in columns)
        structure = ", ".join(f"`{name}` {type_}" for name, type_ in columns).replace("\\", "\\\\").replace("'", "\\'")
        options: dict[str, int | str] = {
            "insert_deduplication_token": token,
            "deduplicate_insert_select": "force_enable",
            "async_insert": 0,
            "max_insert_threads": 1,
            "max_threads": 1,
            "input_format_parallel_parsing": 0,
            **(settings or {}),
        }
        clause = ", ".join(f"{key} = {_literal(value)}" for key, value in options.items())
        sql = f"INSERT INTO {table} ({names}) SELECT {names} FROM {{source}} WHERE {where} SETTINGS {clause}"
        if self.embedded:
            self._has_room()
            with self._spool(data) as file, self._client() as client:
                client.command(sql.format(source=f"file('{file}', 'ArrowStream', '{structure}')"))
            return
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, data.schema) as writer:
            writer.write_table(data)
        with self._client() as client:
            client.command(
                sql.format(source=f"input('{structure}')") + " FORMAT ArrowStream", data=sink.getvalue().to_pybytes()
            )

    def _has_room(self) -> None:
        """chDB (26.9) was seen to acknowledge an insert that hit the end of the disk while it was written, and its rows
        could not be read afterwards: so nothing is written near the end. A server's own reservation does that there.
        """
        free = shutil.disk_usage(self._url.path).free
        if free < _FREE_BYTES:
            raise Unavailable(
                f"the disk of {self._url.path} is full: {free >> 20} MiB are free, {_FREE_BYTES >> 20} must be; "
                "nothing is written until there is room"
            )

    @contextlib.contextmanager
    def _spool(self, data: pa.Table) -> Iterator[str]:
        """chDB takes rows from a file; shared memory where there is some, so that nothing is written to a disk."""
        folder = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        handle, name = tempfile.mkstemp(prefix="spendstream-", suffix=".arrow", dir=folder)
        os.close(handle)
        try:
            with pa.OSFile(name, "wb") as file, pa.ipc.new_stream(file, data.schema) as writer:
                writer.write_table(data)
            yield name
        finally:
            os.unlink(name)

    # -- connections ---------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _client(self, *, database: bool = True) -> Iterator[Client]:
        with self._lock:
            if self._closed:
                raise LedgerError("the database connection is closed")
            client = self._idle.pop() if self._idle and database else None
        try:
            client = client or self._connect(database)
            yield client
        except OperationalError as error:
            self._drop(client)
            raise Unavailable(f"ClickHouse at {self._where()} does not answer: {_first_line(error)}") from error
        except DatabaseError as error:
            self._give_back(client, database)
            if getattr(error, "code", None) in _TRANSIENT_CODES:
                raise Unavailable(f"ClickHouse at {self._where()} cannot do it now: {_first_line(error)}") from error
            raise LedgerError(f"ClickHouse refused: {_first_line(error)}") from error
        except ClickHouseError as error:
            self._drop(client)
            raise LedgerError(f"ClickHouse client: {_first_line(error)}") from error
        except BaseException:
            self._drop(client)
            raise
        else:
            self._give_back(client, database)

    def _connect(self, database: bool) -> Client:
        name = self.database if database else "default"
        if self.embedded:
            Path(self._url.path).mkdir(parents=True, exist_ok=True)
            return clickhouse_connect.get_client(interface="chdb", path=self._url.path, database=name)
        return clickhouse_connect.get_client(
            interface=self._url.scheme,
            host=self._url.hostname or "localhost",
            port=self._url.port or (8443 if self._url.scheme == "https" else 8123),
            username=unquote(self._url.username) if self._url.username else None,
            password=unquote(self._url.password or ""),
            database=name,
            autogenerate_session_id=False,
            ca_cert=self._ca_file,
            connect_timeout=10,
            send_receive_timeout=int(self._timeout_s),
        )

    def _give_back(self, client: Client | None, database: bool) -> None:
        with self._lock:
            if client is not None and database and not self._closed:
                self._idle.append(client)
                return
        self._drop(client)

    def _drop(self, client: Client | None) -> None:
        if client is not None:
            with contextlib.suppress(Exception):
                client.close()

    def close(self) -> None:
        """Close all connections; for chDB this also lets go of the directory."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for client in idle:
            self._drop(client)

    def _where(self) -> str:
        return self._url.path if self.embedded else f"{self._url.hostname}:{self._url.port or 8123}"


def _literal(value: int | str) -> str:
    return str(value) if isinstance(value, int) else "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    return url.replace(f":{parts.password}@", ":***@") if parts.password else url


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:500]
