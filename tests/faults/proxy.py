"""A TCP proxy on loopback that misbehaves on demand: delay, cut, half-open connections. In a thread of its own.

with Proxy(9000) as proxy:        # forwards proxy.port to 127.0.0.1:9000
    proxy.delay_s = 0.2           # each piece of data waits that long, in both directions
    proxy.cut()                   # all connections are reset, new ones are refused
    proxy.hang()                  # connections stay and new ones are taken, but no byte passes any more
    proxy.mend()                  # hung connections are reset, new ones pass again
    proxy.lose_answer(b"INSERT")  # the next connection that sends this gets no answer to it, and is reset
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

HOST: Final = "127.0.0.1"
CHUNK: Final = 256 * 1024


class Proxy:
    """See the module. All methods may be called from any thread; `mend` after `cut` and `hang`."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.port = 0
        self.delay_s = 0.0
        self.lost = 0
        """Answers that were lost by `lose_answer`."""
        self._cut = False
        self._passing = asyncio.Event()
        self._passing.set()
        self._lose: bytes | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="proxy", daemon=True)

    def cut(self) -> None:
        """Reset what is open; refuse what comes."""
        self._cut = True
        self._on_loop(self._reset)

    def hang(self) -> None:
        """Nothing passes: as when a cable is pulled, nobody is told."""
        self._on_loop(self._passing.clear)

    def mend(self) -> None:
        """All is well for new connections; what hung is reset."""
        if not self._passing.is_set():
            self._on_loop(self._reset)
            self._on_loop(self._passing.set)
        self._cut = False

    def lose_answer(self, mark: bytes) -> None:
        """Pass the next request that contains `mark` on, and reset its connection instead of passing the answer."""
        self._lose = mark

    def start(self) -> None:
        """Listen on a free port."""
        self._thread.start()
        self._ready.wait()

    def stop(self) -> None:
        """End it, connections too."""
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _run(self) -> None:
        with contextlib.closing(self._loop):
            self._loop.run_until_complete(self._serve())

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._connection, HOST, 0)
        self.port = int(server.sockets[0].getsockname()[1])
        self._ready.set()
        await self._stop.wait()
        server.close()
        self._reset()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def _on_loop(self, step: Callable[[], None]) -> None:
        done = threading.Event()

        def run() -> None:
            step()
            done.set()

        self._loop.call_soon_threadsafe(run)
        done.wait(5)

    def _reset(self) -> None:
        for writer in self._writers:
            with contextlib.suppress(Exception):
                writer.transport.abort()
        self._writers.clear()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._cut:
            writer.transport.abort()
            return
        self._writers.add(writer)
        await self._passing.wait()
        try:
            there, back = await asyncio.open_connection(HOST, self.target)
        except OSError:
            writer.transport.abort()
            return
        self._writers.add(back)
        losing = asyncio.Event()
        try:
            await asyncio.gather(self._pump(reader, back, losing, True), self._pump(there, writer, losing, False))
        finally:
            for each in (writer, back):
                self._writers.discard(each)
                each.transport.abort()

    async def _pump(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, losing: asyncio.Event, to_server: bool
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(CHUNK):
                if self.delay_s:
                    await asyncio.sleep(self.delay_s)
                await self._passing.wait()
                if to_server and self._lose is not None and self._lose in data:
                    self._lose = None
                    losing.set()
                if not to_server and losing.is_set():
                    self.lost += 1
                    raise ConnectionResetError  # the other direction's sink is aborted with it
                sink.write(data)
                await sink.drain()
        with contextlib.suppress(OSError):
            if losing.is_set() and not to_server:
                sink.transport.abort()
            elif sink.can_write_eof():
                sink.write_eof()
