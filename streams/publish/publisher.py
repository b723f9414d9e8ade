"""The publisher that a router calls after every model call. See docs/connect.md for its use.

Contract
    - `publish()` is synchronous, takes microseconds, never waits for the network and never raises: what cannot be sent
      is counted by reason (`stats`) and answered with False.
    - Kafka may be away at the start or at any time later: calls wait in a bounded buffer and are sent, in order, when
      it is back. A call that was written but not acknowledged is sent again with the same id, time, source and key.
    - No payload is ever logged; only contract fields leave the process.
    - While Kafka is away the log says so at once, then once a minute with counts, and when it is back (`trouble`).
    - Nothing connects, and no task starts, before `start()`.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Literal, Self, TypedDict, Unpack

from aiokafka import AIOKafkaProducer
from aiokafka.abc import AbstractTokenProvider
from aiokafka.codec import has_lz4

from streams import topics
from streams.errors import UsageError
from streams.publish.buffer import Buffer, Stats
from streams.publish.discard import discard
from streams.publish.record import MAX_VALUE_BYTES, DropReason, Refusal, build
from streams.publish.sender import Pace, Sender

Compression = Literal["auto", "none", "gzip", "snappy", "lz4", "zstd"]


class Security(TypedDict, total=False):
    """aiokafka's own options, by its names."""

    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
    ssl_context: ssl.SSLContext | None
    sasl_mechanism: Literal["PLAIN", "GSSAPI", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"]
    sasl_plain_username: str | None
    sasl_plain_password: str | None
    sasl_kerberos_service_name: str
    sasl_kerberos_domain_name: str | None
    sasl_oauth_token_provider: AbstractTokenProvider | None


def wall_clock_ms() -> int:
    """Epoch milliseconds."""
    return time.time_ns() // 1_000_000


class Publisher:
    """For routers on asyncio; `publish()` may be called from any thread. Others use `SyncPublisher`."""

    _build = staticmethod(build)

    def __init__(
        self,
        bootstrap_servers: str,
        *,
        source: str,
        topic: str = topics.CALLS,
        buffer_calls: int = 10_000,
        buffer_bytes: int = 64 * 1024 * 1024,
        linger_ms: int = 10,
        batch_bytes: int = 128 * 1024,
        compression: Compression = "auto",
        idempotence: bool | None = None,
        request_timeout_ms: int = 15_000,
        client_id: str = "spendstream-publisher",
        strict: bool = False,
        clock_ms: Callable[[], int] = wall_clock_ms,
        **security: Unpack[Security],
    ) -> None:
        """Connects nothing yet.

        `bootstrap_servers`: `host:port`, several separated by commas. `source`: the router's name, stamped on calls
        that have none; part of a call's identity. `buffer_calls`, `buffer_bytes`: bounds of what waits or is in flight.
        `compression`: `auto` is lz4 where `cramjam` is installed, else none. `idempotence`: None is where the broker
        can. `strict`: raise on a call that cannot be sent (for a router's tests). Raises UsageError on wrong figures.
        """
        faults = [
            f"{name} must be {least} or more, is {value}"
            for name, value, least in (
                ("buffer_calls", buffer_calls, 1),
                ("buffer_bytes", buffer_bytes, 2 * MAX_VALUE_BYTES),
                ("linger_ms", linger_ms, 0),
                ("batch_bytes", batch_bytes, 1),
                ("request_timeout_ms", request_timeout_ms, 1),
            )
            if value < least
        ]
        if not source:
            faults.append("source must name the router")
        if faults:
            raise UsageError("the publisher cannot be made: " + "; ".join(faults))
        self._bootstrap_servers = bootstrap_servers
        self._source = source
        self._topic = topic
        self._batch_bytes = batch_bytes
        self._compression = (("lz4" if has_lz4() else "none") if compression == "auto" else compression).lower()
        self._idempotence = idempotence
        self._request_timeout_ms = request_timeout_ms
        self._client_id = client_id
        self._strict = strict
        self._clock_ms = clock_ms
        self._security = security
        request_s = request_timeout_ms / 1000
        # An unanswered produce request fails after one request timeout and is retried by aiokafka; after four
        # timeouts without any acknowledgement the producer itself is suspect.
        self._pace = Pace(linger_s=linger_ms / 1000, connect_s=2 * request_s, stall_s=4 * request_s)
        self._buffer = Buffer(buffer_calls, buffer_bytes)
        self._sender: Sender | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to connect in the background; returns at once, whether Kafka is there or not.

        Raises UsageError when options contradict themselves (what aiokafka says of them), or on a second start.
        """
        if self._task is not None:
            raise UsageError("the publisher was started before; make a new one")
        try:
            probe = self._make_producer(self._idempotence is not False)
        except (ValueError, TypeError, RuntimeError, AssertionError) as error:
            raise UsageError(f"the publisher's options are wrong: {error}") from error
        await discard(probe)
        self._sender = Sender(
            self._buffer,
            self._topic,
            self._make_producer,
            pace=self._pace,
            idempotence=self._idempotence,
        )
        self._task = asyncio.create_task(self._sender.run(), name="spendstream-publisher")

    def publish(self, call: Mapping[str, object] | None = None, /, **fields: object) -> bool:
        """Hand one call over (a mapping, or its fields by keyword, or both); True if it was buffered.

        The mapping is encoded before this returns and may be reused. Times: epoch ms (int) or aware datetimes.
        Before `start()` calls are buffered. False: see `stats.dropped`; in `strict` mode UsageError instead.
        """
        try:
            merged = fields if call is None else {**call, **fields} if fields else call
            record, unknown = self._build(merged, source=self._source, now_ms=self._clock_ms())
        except Exception as error:  # a mapping that is none, a clock that fails
            record, unknown = Refusal("unencodable", type(error).__name__), 0
        if isinstance(record, Refusal):
            self._buffer.refuse(record.reason, unknown)
            return self._refused(record.reason, record.detail)
        try:
            reason = self._buffer.offer(record, unknown)
        except RuntimeError:  # the event loop that should send was closed, without close()
            self._buffer.give_up_all("loop_closed")
            return self._refused("loop_closed", "the publisher's event loop was closed")
        return reason is None or self._refused(reason, "see `stats`")

    def publish_batch(self, calls: Iterable[Mapping[str, object]]) -> int:
        """`publish()` for each; how many were buffered. One record a call: calls of a batch may have different keys."""
        return sum(self.publish(call) for call in calls)

    async def flush(self, timeout_s: float = 10.0) -> bool:
        """Wait until all calls handed over so far, and those that come meanwhile, are delivered; False on time-out."""
        return await self._until(lambda: not self._buffer.calls, timeout_s)

    async def wait_for_room(self, calls: int = 1, timeout_s: float = 10.0) -> bool:
        """Wait until `calls` more fit (for replays, which may wait where a router may not); False on time-out."""
        return await self._until(lambda: self._buffer.room >= calls, timeout_s)

    async def close(self, timeout_s: float = 10.0) -> Stats:
        """Take no more calls, deliver what is buffered, for at most `timeout_s` seconds; the final counts.

        What is left then is dropped and counted as `close_timeout` (the broker may hold some of it, unacknowledged).
        """
        self._buffer.close()
        if self._task is not None and self._sender is not None:
            self._sender.drain()
            if self._buffer.calls:
                await asyncio.wait({self._task}, timeout=timeout_s)
            self._task.cancel()
            await asyncio.wait({self._task})
        self._buffer.give_up_all("close_timeout")
        return self._buffer.stats()

    @property
    def stats(self) -> Stats:
        """Counts so far; may be read from any thread, also after close."""
        return self._buffer.stats()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def _make_producer(self, idempotent: bool) -> AIOKafkaProducer:
        return AIOKafkaProducer(
            bootstrap_servers=self._bootstrap_servers,
            client_id=self._client_id,
            acks="all",
            enable_idempotence=idempotent,
            compression_type=None if self._compression == "none" else self._compression,
            max_batch_size=self._batch_bytes,
            request_timeout_ms=self._request_timeout_ms,
            **self._security,
        )

    def _refused(self, reason: DropReason, detail: str) -> bool:
        if self._strict:
            raise UsageError(f"not published, {reason}: {detail}")
        return False

    async def _until(self, condition: Callable[[], bool], timeout_s: float) -> bool:
        loop = asyncio.get_running_loop()
        end = loop.time() + timeout_s
        while not condition():
            if loop.time() >= end:
                return False
            await asyncio.sleep(max(0.002, self._pace.linger_s / 2))
        return True
