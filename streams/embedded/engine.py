"""Runs the endpoint's queries on the chDB engine of this process, each on a handle of its own, read-only.

`Engine` is what the HTTP endpoint needs; `ChdbEngine` is the real one. A request goes so:

1. open a handle (80 us; handles share the engine, not the session, so nothing a client does outlasts its request);
2. `SET` the limits and the client's harmless settings, `USE` its database;
3. `SET readonly=1`, which a session cannot take back;
4. let the engine's parser print the statement, and judge that (`streams.embedded.guard`);
5. run the statement.

Known limits: a result is held in memory whole (`Limits.result_bytes`; a constant column counts once there, so that
`Limits.memory_bytes` is what bounds a text repeated in every row); a client that goes away does not stop its query,
`Limits.seconds` does; the engine checks that limit between blocks, so a single slow block can overrun it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import chdb

from streams.embedded import guard

READONLY = 164
SYNTAX_ERROR = 62
UNKNOWN_EXCEPTION = 1002


class EngineError(Exception):
    """The engine refused or failed a query; `code` is ClickHouse's, `message` the text that a server would send."""

    def __init__(self, code: int, message: str) -> None:
        """`message` begins with `Code: N. DB::Exception:`."""
        self.code = code
        self.message = message
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class EngineResult:
    """One result, encoded. `rows_read`, `bytes_read`: read from storage; `rows`: in the result; `format`: as used."""

    body: bytes
    rows_read: int
    bytes_read: int
    elapsed_s: float
    rows: int
    format: str


class Engine(Protocol):
    """Runs read-only SQL; called from several threads at once, and may block."""

    def run(
        self, sql: str, fmt: str, params: Mapping[str, str], settings: Mapping[str, str], database: str
    ) -> EngineResult:
        """Run one statement. `fmt` unless the statement names its own format; `params` without the `param_` prefix,
        values as in a URL; `database` empty: the default one. Raises EngineError for everything a client can cause."""
        ...


@dataclass(frozen=True, slots=True)
class Limits:
    """Upper bounds of one query; a client may ask for less."""

    seconds: int = 30
    result_bytes: int = 256 * 1024 * 1024
    result_rows: int = 10_000_000
    memory_bytes: int = 2 * 1024 * 1024 * 1024
    threads: int = 2

    def caps(self) -> dict[str, int]:
        """The same as ClickHouse settings."""
        return {
            "max_execution_time": self.seconds,
            "max_result_bytes": self.result_bytes,
            "max_result_rows": self.result_rows,
            "max_memory_usage": self.memory_bytes,
            "max_threads": self.threads,
        }


class ChdbEngine:
    """Read-only queries on the engine that this process has open at `path`."""

    def __init__(self, path: Path, *, database: str = "default", limits: Limits | None = None) -> None:
        """Open (or join) the engine at `path`; `database` is used by clients that name none."""
        self._path = str(path)
        self._database = database
        self._limits = limits or Limits()
        # Held so that the engine stays open between requests; also answers what never changes.
        self._anchor = _connect(self._path)
        names = self._anchor.query("SELECT name FROM system.table_functions", "TSVRaw").bytes().decode()
        self._table_functions = frozenset(names.split())

    def close(self) -> None:
        """Let the engine go; a second call does nothing."""
        anchor, self._anchor = self._anchor, None
        if anchor is not None:
            anchor.close()

    def run(
        self, sql: str, fmt: str, params: Mapping[str, str], settings: Mapping[str, str], database: str
    ) -> EngineResult:
        """See `Engine.run`."""
        if "\0" in sql:
            raise EngineError(SYNTAX_ERROR, f"Code: {SYNTAX_ERROR}. DB::Exception: the query has a NUL. (SYNTAX_ERROR)")
        for name in settings:
            if not guard.setting_is_harmless(name):
                raise _refused(f"Cannot modify '{name}' setting: this endpoint is read-only and does not take it")
        handle = _connect(self._path)
        try:
            self._prepare(handle, settings, database or self._database)
            canonical = _query(handle, "SELECT formatQuerySingleLine({sql:String})", "TSVRaw", {"sql": _escaped(sql)})
            verdict = guard.judge(canonical.bytes().decode("utf-8", "surrogateescape"), self._table_functions)
            if verdict.refusal is not None:
                raise _refused(f"Cannot execute query in readonly mode: {verdict.refusal}")
            result = _query(handle, sql, fmt, dict(params))
            return EngineResult(
                body=result.bytes() or b"",
                rows_read=result.storage_rows_read(),
                bytes_read=result.storage_bytes_read(),
                elapsed_s=result.elapsed(),
                rows=result.rows_read(),
                format=verdict.format or fmt,
            )
        finally:
            handle.close()

    def _prepare(self, handle: Any, settings: Mapping[str, str], database: str) -> None:
        fixed = {"result_overflow_mode": "throw", "allow_introspection_functions": "0"}
        settled = fixed | guard.clamp(settings, self._limits.caps())
        listed = ", ".join(f"{name} = {_literal(value)}" for name, value in settled.items())
        _query(handle, f"SET {listed}", "TSV", {})
        _query(handle, f"USE {_identifier(database)}", "TSV", {})
        _query(handle, "SET readonly = 1", "TSV", {})


def _connect(path: str) -> Any:
    connect: Any = chdb.connect  # chdb is typed in part only
    return connect(path)


def _query(handle: Any, sql: str, fmt: str, params: dict[str, str]) -> Any:
    try:
        return handle.query(sql, fmt, params=params)
    except RuntimeError as error:  # chdb.ChdbError is one
        raise _engine_error(str(error)) from None
    except UnicodeError as error:
        raise EngineError(SYNTAX_ERROR, f"Code: {SYNTAX_ERROR}. DB::Exception: {error} (SYNTAX_ERROR)") from None


def _engine_error(text: str) -> EngineError:
    """The engine repeats `Code: N. DB::Exception:` for each layer that the error went through: keep one."""
    found = re.search(r"Code: (\d+)\. ", text)
    if found is None:
        return EngineError(UNKNOWN_EXCEPTION, f"Code: {UNKNOWN_EXCEPTION}. DB::Exception: {text} (UNKNOWN_EXCEPTION)")
    repeated = re.compile(rf"(?:Code: {found.group(1)}\. DB::Exception: )+")
    return EngineError(int(found.group(1)), repeated.sub(f"Code: {found.group(1)}. DB::Exception: ", text, count=1))


def _refused(why: str) -> EngineError:
    return EngineError(READONLY, f"Code: {READONLY}. DB::Exception: {why}. (READONLY)")


def _escaped(text: str) -> str:
    """A String parameter's value is read in ClickHouse's escaped form."""
    for plain, escape in (("\\", "\\\\"), ("\t", "\\t"), ("\n", "\\n"), ("\r", "\\r"), ("\0", "\\0")):
        text = text.replace(plain, escape)
    return text


def _literal(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _identifier(text: str) -> str:
    return "`" + text.replace("\\", "\\\\").replace("`", "\\`") + "`"
