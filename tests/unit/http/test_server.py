"""The endpoint as a stranger meets it: real sockets on loopback."""

from __future__ import annotations

import asyncio
import json
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from streams.errors import LedgerError, Unavailable, UsageError
from streams.http.ask import WorkerAddress, address_of, ask
from streams.http.guard import HEADERS
from streams.http.scopes import Caller, caller_of, needs
from streams.http.server import Access, HttpServer
from streams.http.tokens import load_tokens

TOKENS = {name: f"{name}-token-of-many-characters-0123456789" for name in ("reader", "oncall", "root")}
SCOPES = {"reader": "read", "oncall": "control", "root": "admin"}
KNOWN = load_tokens(None, ",".join(f"{n}:{s}:env:{n}" for n, s in SCOPES.items()), TOKENS)


def answering(scope: Any) -> Any:
    @needs(scope)
    async def answer(request: web.Request) -> web.Response:
        return web.json_response({"caller": caller_of(request).name})

    return answer


@needs("open")
async def fail(request: web.Request) -> web.Response:
    match request.query["how"]:
        case "usage":
            raise UsageError("not so")
        case "away":
            raise Unavailable("away")
        case "ledger":
            raise LedgerError("refused")
        case "slow":
            await asyncio.sleep(30)
        case "body":
            return web.json_response({"bytes": len(await request.read())})
    raise ZeroDivisionError("a secret of the frame")


ROUTES = [
    *(web.get(f"/{scope}", answering(scope)) for scope in ("open", "read", "control", "admin")),
    web.post("/control", answering("control")),
    web.get("/fail", fail),
    web.post("/fail", fail),
]


@asynccontextmanager
async def served(access: Access | None = None, host: str = "127.0.0.1") -> AsyncIterator[tuple[str, int]]:
    server = HttpServer(ROUTES, access)
    try:
        yield await server.start(host, 0)
    finally:
        await server.stop()


async def asked(
    access: Access | None, method: str, path: str, headers: dict[str, str] | None = None, data: bytes | None = None
) -> tuple[int, Any, dict[str, str]]:
    async with (
        served(access) as (host, port),
        aiohttp.ClientSession() as session,
        session.request(method, f"http://{host}:{port}{path}", headers=headers, data=data) as answer,
    ):
        text = await answer.text()
        found = json.loads(text) if answer.content_type == "application/json" else text
        return answer.status, found, dict(answer.headers)


def run(*arguments: Any, **named: Any) -> tuple[int, Any, dict[str, str]]:
    return asyncio.run(asked(*arguments, **named))


def bearer(name: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {TOKENS[name]}"}


@pytest.mark.parametrize("name", [None, *TOKENS])
@pytest.mark.parametrize("scope", ["open", "read", "control", "admin"])
def test_each_scope_for_each_caller(name: str | None, scope: str) -> None:
    status, body, headers = run(Access(tokens=KNOWN), "GET", f"/{scope}", bearer(name) if name else None)
    order = ["open", "read", "control", "admin"]
    held = SCOPES[name] if name else "open"
    if order.index(held) >= order.index(scope):
        assert (status, body) == (200, {"caller": name or ""})
    elif name is None:
        assert status == 401
        assert headers["WWW-Authenticate"] == "Bearer"
    else:
        assert status == 403
        assert held in body["error"]


@pytest.mark.parametrize(
    "value", ["", "Bearer", "Bearer x", "Basic cm9vdDpyb290", TOKENS["root"], "Bearer " + TOKENS["root"][:-1]]
)
def test_what_is_no_token(value: str) -> None:
    status, body, headers = run(Access(tokens=KNOWN), "GET", "/read", {"Authorization": value})
    assert (status, headers["WWW-Authenticate"]) == (401, "Bearer")
    needed = "a token is needed: Authorization: Bearer TOKEN"
    assert body == {"error": "this token is not known here" if value.startswith("Bearer ") else needed}


def test_without_tokens_this_machine_may_everything() -> None:
    assert run(None, "GET", "/admin")[:2] == (200, {"caller": "local"})


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example.org"},
        {"Host": ""},
        {"Origin": "https://evil.example.org"},
        {"Origin": "null"},
        {"Origin": "http://[broken"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_pages_of_other_sites_are_refused(method: str, headers: dict[str, str]) -> None:
    status, body, answered = run(None, method, "/control", headers)
    assert status == 403
    assert "sites" in body["error"]
    assert not any(name.lower().startswith("access-control") for name in answered)


@pytest.mark.parametrize(
    ("how", "status", "text"),
    [
        ("usage", 400, "not so"),
        ("away", 503, "away"),
        ("ledger", 500, "refused"),
        ("zero", 500, "a fault of ours; the log has it by the number"),
    ],
)
def test_faults_are_one_line_without_a_traceback(how: str, status: int, text: str) -> None:
    found, body, _ = run(None, "GET", f"/fail?how={how}")
    assert found == status
    assert set(body) == {"error"}
    assert text in body["error"]
    assert "secret" not in body["error"]
    assert "Traceback" not in body["error"]


def test_a_slow_answer_ends() -> None:
    assert run(Access(seconds=0.05), "GET", "/fail?how=slow")[0] == 503


@pytest.mark.parametrize(("size", "status"), [(1000, 200), (1001, 413)])
def test_a_body_has_a_size(size: int, status: int) -> None:
    assert run(Access(max_body_bytes=1000), "POST", "/fail?how=body", data=b"x" * size)[0] == status


def test_a_compressed_body_is_refused() -> None:
    assert run(None, "POST", "/fail?how=body", {"Content-Encoding": "gzip"}, b"x" * 10)[0] == 415


@pytest.mark.parametrize("path", ["/open", "/read", "/none", "/fail?how=zero"])
def test_every_answer_has_the_headers(path: str) -> None:
    headers = run(Access(tokens=KNOWN), "GET", path)[2]
    assert {name: headers[name] for name in HEADERS} == HEADERS


def test_unknown_paths_and_methods() -> None:
    assert run(Access(tokens=KNOWN), "GET", "/none")[0] == 404
    status, _, headers = run(Access(tokens=KNOWN), "DELETE", "/control")
    assert status == 405
    assert "POST" in headers["Allow"]


def test_too_many_requests() -> None:
    async def many() -> list[int]:
        async with served(Access(requests_per_second=2)) as (host, port), aiohttp.ClientSession() as session:
            found = []
            for _ in range(8):
                async with session.get(f"http://{host}:{port}/open") as answer:
                    found.append(answer.status)
                    if answer.status == 429:
                        assert int(answer.headers["Retry-After"]) >= 1
            return found

    statuses = asyncio.run(many())
    assert statuses[:4] == [200] * 4
    assert 429 in statuses


def test_too_many_connections() -> None:
    async def many() -> list[bytes]:
        async with served(Access(max_connections=2)) as (host, port):
            held = [await asyncio.open_connection(host, port) for _ in range(2)]
            for reader, writer in held:
                writer.write(b"GET /open HTTP/1.1\r\nHost: localhost\r\n\r\n")
                await reader.readline()
            reader, writer = await asyncio.open_connection(host, port)
            refused = await reader.read()
            for _, one in [*held, (reader, writer)]:
                one.close()
            return [refused]

    assert asyncio.run(many())[0].startswith(b"HTTP/1.1 503 ")


@pytest.mark.parametrize("said", [b"", b"GET /open HTTP/1.1\r\nHost: loc", b"POST /fail?how=body HTTP/1.1\r\n"])
def test_a_silent_connection_is_closed(said: bytes) -> None:
    async def wait() -> bytes:
        async with served(Access(idle_s=0.2)) as (host, port):
            reader, writer = await asyncio.open_connection(host, port)
            writer.write(said)
            async with asyncio.timeout(20):
                found = await reader.read()
            writer.close()
            return found

    assert asyncio.run(wait()) == b""


def test_garbage_is_answered_without_a_traceback() -> None:
    async def say(text: bytes) -> bytes:
        async with served() as (host, port):
            reader, writer = await asyncio.open_connection(host, port)
            writer.write(text)
            writer.write_eof()
            async with asyncio.timeout(20):
                found = await reader.read()
            writer.close()
            return found

    for text in (b"\x16\x03\x01garbage\r\n\r\n", b"GET /open HTTP/9.9\r\n\r\n", b"GET / HTTP/1.1\r\nA" + b"x" * 20_000):
        answer = asyncio.run(say(text))
        assert b"Traceback" not in answer
        assert b"site-packages" not in answer
        assert answer == b"" or answer.startswith(b"HTTP/1.")


def test_a_route_without_a_scope_is_not_served() -> None:
    async def bare(_: web.Request) -> web.Response:
        return web.Response()

    with pytest.raises(ValueError, match="needs a scope"):
        HttpServer([web.get("/bare", bare)])


def test_it_does_not_listen_beyond_loopback_without_tokens() -> None:
    async def start(access: Access) -> None:
        async with served(access, "0.0.0.0"):
            pass

    with pytest.raises(UsageError, match="SPENDSTREAM_HTTP_TOKENS_FILE"):
        asyncio.run(start(Access()))
    asyncio.run(start(Access(tokens=KNOWN)))
    asyncio.run(start(Access(open_to_all=True)))


def test_a_command_asks_a_worker() -> None:
    async def both() -> list[Any]:
        async with served(Access(tokens=KNOWN)) as (host, port):
            known = address_of(host, port, TOKENS["oncall"])
            return [
                await asyncio.to_thread(ask, known, "POST", "/control", {"reason": "mine"}),
                await asyncio.to_thread(ask, address_of(host, port), "GET", "/control"),
            ]

    known, stranger = asyncio.run(both())
    assert known == (200, {"caller": "oncall"})
    assert stranger[0] == 401
    assert TOKENS["oncall"] not in repr(address_of("h", 1, TOKENS["oncall"]))
    assert address_of("::", 1).at == "127.0.0.1:1"
    assert address_of("fe80::1", 1).at == "[fe80::1]:1"
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1:1 does not answer"):
        ask(WorkerAddress("127.0.0.1:1"), "GET", "/")


def test_tls(tmp_path: Path) -> None:
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
         "-keyout", str(key), "-out", str(certificate)],
        check=True, capture_output=True, timeout=60,
    )  # fmt: skip

    async def over_tls() -> Any:
        trusting = ssl.create_default_context(cafile=str(certificate))
        async with (
            served(Access(tokens=KNOWN, certificate=certificate, key=key)) as (_, port),
            aiohttp.ClientSession() as session,
            session.get(f"https://127.0.0.1:{port}/read", headers=bearer("reader"), ssl=trusting) as answer,
        ):
            return await answer.json()

    assert asyncio.run(over_tls()) == {"caller": "reader"}
    with pytest.raises(UsageError, match="cannot be used"):
        asyncio.run(asked(Access(certificate=key, key=certificate), "GET", "/open"))
    assert Caller("a", "read").may("read")
