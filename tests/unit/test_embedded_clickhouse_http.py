"""The endpoint's own part of the protocol, over an engine that a test controls."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Mapping

import aiohttp
import pytest

from streams.embedded.clickhouse_http import MAX_WAITING, ClickHouseHttp
from streams.embedded.engine import EngineError, EngineResult
from streams.errors import NotPossible
from streams.http.loopback import is_loopback, names_loopback

Asked = tuple[str, str, dict[str, str], dict[str, str], str]


class FakeEngine:
    """Answers with the query's text; one that begins with `wait` waits until `open` is set; `fail` fails."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.open = threading.Event()

    def run(
        self, sql: str, fmt: str, params: Mapping[str, str], settings: Mapping[str, str], database: str
    ) -> EngineResult:
        self.asked.append((sql, fmt, dict(params), dict(settings), database))
        if sql.startswith("wait"):
            assert self.open.wait(20)
        if sql.startswith("fail"):
            raise EngineError(241, "Code: 241. DB::Exception: too much. (MEMORY_LIMIT_EXCEEDED)")
        body = b"Europe/Berlin\n" if sql == "SELECT timezone()" else sql.encode()
        return EngineResult(body, rows_read=5, bytes_read=40, elapsed_s=0.25, rows=1, format=fmt)


def with_endpoint(
    body: Callable[[aiohttp.ClientSession, str, FakeEngine], Awaitable[None]], host: str = "127.0.0.1", threads: int = 4
) -> None:
    async def run() -> None:
        engine = FakeEngine()
        endpoint = ClickHouseHttp(engine, host, threads=threads)
        _, port = await endpoint.start()
        engine.asked.clear()
        try:
            async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
                await body(session, f"http://127.0.0.1:{port}/", engine)
        finally:
            engine.open.set()
            await endpoint.stop()

    asyncio.run(run())


def test_the_engine_gets_what_the_client_said() -> None:
    async def body(session: aiohttp.ClientSession, url: str, engine: FakeEngine) -> None:
        parameters = {"query": "a", "database": "d", "default_format": "CSV", "param_x": "1", "max_threads": "2"}
        ignored = {"user": "u", "password": "p", "session_id": "s", "readonly": "0", "client_protocol_version": "54405"}
        async with session.post(url, params=parameters | ignored, data=b"b") as answer:
            assert answer.status == 200
            assert answer.headers["X-ClickHouse-Timezone"] == "Europe/Berlin"
            assert '"elapsed_ns": "250000000"' in answer.headers["X-ClickHouse-Summary"]
            assert '"read_rows": "5"' in answer.headers["X-ClickHouse-Summary"]
        headers = {"X-ClickHouse-Database": "h", "X-ClickHouse-Format": "TSV"}
        async with session.post(url, data=b"only a body", headers=headers) as answer:
            assert await answer.text() == "only a body"
        assert engine.asked == [
            ("a\nb", "CSV", {"x": "1"}, {"max_threads": "2"}, "d"),
            ("only a body", "TSV", {}, {}, "h"),
        ]

    with_endpoint(body)


def test_an_engines_error_is_the_servers() -> None:
    async def body(session: aiohttp.ClientSession, url: str, _engine: FakeEngine) -> None:
        async with session.get(url, params={"query": "fail", "query_id": "q"}) as answer:
            assert answer.status == 500
            assert answer.headers["X-ClickHouse-Exception-Code"] == "241"
            assert answer.headers["X-ClickHouse-Query-Id"] == "q"
            assert await answer.text() == "Code: 241. DB::Exception: too much. (MEMORY_LIMIT_EXCEEDED)\n"

    with_endpoint(body)


def test_waiting_queries_are_bounded_and_the_loop_stays_free() -> None:
    async def body(session: aiohttp.ClientSession, url: str, engine: FakeEngine) -> None:
        async def ask(query: str) -> int:
            async with session.get(url, params={"query": query}) as answer:
                return answer.status * 1000 + int(answer.headers.get("X-ClickHouse-Exception-Code", "0"))

        async def admitted() -> None:
            while len(engine.asked) < 2:  # noqa: ASYNC110
                await asyncio.sleep(0.01)

        waiting = [asyncio.create_task(ask(f"wait {number}")) for number in range(2 + MAX_WAITING)]
        await asyncio.wait_for(admitted(), 10)
        async with session.get(url + "ping") as answer:
            assert await answer.text() == "Ok.\n"
        # Every connection that came in order is counted before this one.
        await asyncio.sleep(0.2)
        assert await ask("one too many") == 500_202
        engine.open.set()
        assert set(await asyncio.gather(*waiting)) == {200_000}
        assert await ask("again") == 200_000

    with_endpoint(body, threads=2)


def test_a_host_that_the_operator_opened_answers_to_any_name() -> None:
    async def body(session: aiohttp.ClientSession, url: str, _engine: FakeEngine) -> None:
        async with session.get(url, params={"query": "a"}, headers={"Host": "meter.example"}) as answer:
            assert answer.status == 200
        async with session.get(url, params={"query": "a"}, headers={"Origin": "http://evil.example"}) as answer:
            assert answer.status == 403

    with_endpoint(body, host="0.0.0.0")


def test_a_taken_port_is_a_usage_error_and_stop_is_safe() -> None:
    async def body() -> None:
        first = ClickHouseHttp(FakeEngine())
        host, port = await first.start()
        second = ClickHouseHttp(FakeEngine(), host, port)
        with pytest.raises(NotPossible, match=f"cannot listen on 127.0.0.1:{port}"):
            await second.start()
        await second.stop()
        await first.stop()
        await first.stop()

    asyncio.run(body())


def test_an_engine_that_does_not_answer_fails_the_start() -> None:
    class Dead(FakeEngine):
        def run(
            self, sql: str, fmt: str, params: Mapping[str, str], settings: Mapping[str, str], database: str
        ) -> EngineResult:
            raise EngineError(210, "Code: 210. DB::Exception: away")

    with pytest.raises(EngineError, match="away"):
        asyncio.run(ClickHouseHttp(Dead()).start())


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "127.0.0.1:8123", "LOCALHOST:1", "[::1]:80", "127.9.9.9"])
def test_names_of_loopback(name: str) -> None:
    assert names_loopback(name, "127.0.0.1")


@pytest.mark.parametrize(
    "name",
    ["", "evil.example", "127.0.0.1.evil.example", "localhost.evil", "evil@x", "[::1", "0.0.0.0", "10.0.0.1", ":80"],
)
def test_names_that_are_not(name: str) -> None:
    assert not names_loopback(name, "127.0.0.1")
    assert not is_loopback("example.org")
