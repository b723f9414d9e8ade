"""The publisher for routers without asyncio: the same one, on an event loop in a daemon thread of its own.

Contract
    - `publish()` from any thread; nothing blocks but `start()` (for milliseconds) and `close()`.
    - The thread starts in `start()`, never at import; `start()` belongs after a fork (in the worker process), for
      threads do not survive one.
    - What is buffered at the interpreter's exit is flushed for at most `exit_timeout_s` seconds. Over a connection that
      is open, that is: a process on its way out may be unable to look a host name up any more.
"""

from __future__ import annotations

import asyncio
import atexit
import threading
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any, Self

from streams.errors import UsageError
from streams.publish.buffer import Stats
from streams.publish.publisher import Publisher


class SyncPublisher:
    """`Publisher` behind plain methods."""

    _kind: type[Publisher] = Publisher

    def __init__(self, bootstrap_servers: str, *, source: str, exit_timeout_s: float = 5.0, **options: Any) -> None:
        """`options`: those of `Publisher`. Raises UsageError when they are wrong."""
        self._publisher = self._kind(bootstrap_servers, source=source, **options)
        self._exit_timeout_s = exit_timeout_s
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._close_timeout_s = exit_timeout_s
        self._started = threading.Event()
        self._error: Exception | None = None

    def start(self) -> Self:
        """Start the thread and begin to connect; returns whether Kafka is there or not. Raises as `Publisher.start`."""
        if self._thread is not None:
            raise UsageError("the publisher was started before; make a new one")
        self._thread = threading.Thread(target=self._run, name="spendstream-publisher", daemon=True)
        self._thread.start()
        self._started.wait()
        if self._error is not None:
            raise self._error
        atexit.register(self._at_exit)
        return self

    def publish(self, call: Mapping[str, object] | None = None, /, **fields: object) -> bool:
        """See `Publisher.publish`."""
        return self._publisher.publish(call, **fields)

    def publish_batch(self, calls: Iterable[Mapping[str, object]]) -> int:
        """See `Publisher.publish_batch`."""
        return self._publisher.publish_batch(calls)

    @property
    def stats(self) -> Stats:
        """See `Publisher.stats`."""
        return self._publisher.stats

    def close(self, timeout_s: float = 10.0) -> Stats:
        """Deliver what is buffered, for at most `timeout_s` seconds, and end the thread; the final counts. Blocks."""
        atexit.unregister(self._at_exit)
        self._close_timeout_s = timeout_s
        thread, loop, stop = self._thread, self._loop, self._stop
        if thread is not None and thread.is_alive() and loop is not None and stop is not None:
            loop.call_soon_threadsafe(stop.set)
            thread.join()
        elif thread is None:
            asyncio.run(self._publisher.close(0))
        return self._publisher.stats

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _at_exit(self) -> None:
        self.close(self._exit_timeout_s)

    def _run(self) -> None:
        # Not asyncio.run(): that starts a thread to end the executor, which an exiting interpreter refuses.
        self._loop = asyncio.new_event_loop()
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._loop.close()

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        try:
            await self._publisher.start()
        except Exception as error:
            self._error = error
            return
        finally:
            self._started.set()
        await self._stop.wait()
        await self._publisher.close(self._close_timeout_s)
