"""A stand-in for whoever receives notices: an HTTP server in a thread that keeps what it got and does as it is told.

    with Receiver() as receiver:
        receiver.next(answer(503), hang(5), cut())   # then 200 again

It promises what a real one does: a request that it kept was read whole, whatever it answers.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

Behaviour = Callable[[BaseHTTPRequestHandler], None]


@dataclass(frozen=True, slots=True)
class Request:
    """One request, as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """Its body."""
        return json.loads(self.body)


def answer(status: int, **headers: str) -> Behaviour:
    """Answer with a status and headers."""

    def do(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", "2")
        handler.end_headers()
        handler.wfile.write(b"{}")

    return do


def hang(seconds: float) -> Behaviour:
    """Read, and answer nothing for a while."""

    def do(handler: BaseHTTPRequestHandler) -> None:
        time.sleep(seconds)
        handler.close_connection = True

    return do


def drip(seconds: float) -> Behaviour:
    """Answer a byte at a time, so that a limit on each read alone would never end it."""

    def do(handler: BaseHTTPRequestHandler) -> None:
        end = time.monotonic() + seconds
        try:
            handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
            while time.monotonic() < end:
                handler.wfile.write(b"X")
                handler.wfile.flush()
                time.sleep(0.05)
        except OSError:
            pass
        handler.close_connection = True

    return do


def cut() -> Behaviour:
    """Read, and break the connection."""

    def do(handler: BaseHTTPRequestHandler) -> None:
        handler.connection.shutdown(socket.SHUT_RDWR)
        handler.close_connection = True

    return do


def then(first: Callable[[], None], behaviour: Behaviour) -> Behaviour:
    """Do something when the request is there, then behave."""

    def do(handler: BaseHTTPRequestHandler) -> None:
        first()
        behaviour(handler)

    return do


class Receiver:
    """See the module."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self._script: list[Behaviour] = []
        self._lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                length = int(self.headers.get("Content-Length", 0))
                body = self.rfile.read(length)
                request = Request(
                    "POST", self.path, {name.lower(): value for name, value in self.headers.items()}, body
                )
                with outer._lock:
                    outer.requests.append(request)
                    behaviour = outer._script.pop(0) if outer._script else answer(200)
                behaviour(self)

            def log_message(self, format: str, *args: object) -> None:
                """Nothing."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: object, client_address: object) -> None:
                """A client that has gone is what some tests are about."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def next(self, *behaviours: Behaviour) -> None:
        """What the next requests meet; after these all is well again."""
        with self._lock:
            self._script += behaviours

    def wait(self, number: int, timeout_s: float = 20.0) -> list[Request]:
        """Wait until this many requests are there."""
        deadline = time.monotonic() + timeout_s
        while len(self.requests) < number:
            assert time.monotonic() < deadline, f"{len(self.requests)} of {number} requests came"
            time.sleep(0.01)
        return list(self.requests)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
