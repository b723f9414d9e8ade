"""Where a router's picture of the controls comes from: a worker's `GET /v1/controls`, or the topic itself.

A source runs in the client's thread until it is stopped, and gives the whole set of controls whenever it learnt
something, or that it learnt that nothing changed (`None`). Faults are told, never raised: a router must not suffer.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import ssl
import threading
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

from streams.kafka_log import withhold

TOPIC: Final = "spendstream.controls"

OnControls = Callable[[list[Mapping[str, Any]] | None], None]
OnFault = Callable[[str], None]


class Source(Protocol):
    """See the module."""

    def run(self, stop: threading.Event, on_controls: OnControls, on_fault: OnFault) -> None:
        """Until `stop` is set."""
        ...


class HttpSource:
    """Asks a worker every `refresh_s` seconds; nothing is sent while nothing changes (ETag)."""

    def __init__(self, url: str, *, token: str = "", refresh_s: float = 1.0, timeout_s: float = 5.0) -> None:
        """`url`: http(s)://host:port of a worker or of what stands before several. Raises ValueError for another."""
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("the worker's address must be http(s)://host:port")
        self._tls = parts.scheme == "https"
        self._host = parts.hostname
        self._port = parts.port or (443 if self._tls else 80)
        self._path = parts.path.rstrip("/") + "/v1/controls"
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._refresh_s = refresh_s
        self._timeout_s = timeout_s
        self._etag = ""

    def run(self, stop: threading.Event, on_controls: OnControls, on_fault: OnFault) -> None:
        """See `Source.run`."""
        while not stop.is_set():
            try:
                on_controls(self._ask())
            except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError) as error:
                on_fault(f"{type(error).__name__}: {error}")
            stop.wait(self._refresh_s)

    def _ask(self) -> list[Mapping[str, Any]] | None:
        connection: http.client.HTTPConnection
        if self._tls:
            connection = http.client.HTTPSConnection(
                self._host, self._port, timeout=self._timeout_s, context=ssl.create_default_context()
            )
        else:
            connection = http.client.HTTPConnection(self._host, self._port, timeout=self._timeout_s)
        headers = self._headers | ({"If-None-Match": self._etag} if self._etag else {})
        try:
            connection.request("GET", self._path, headers=headers)
            answer = connection.getresponse()
            body = answer.read()
        finally:
            connection.close()
        if answer.status == 304:
            return None
        if answer.status != 200:
            raise ValueError(f"the worker answered {answer.status}")
        controls: list[Mapping[str, Any]] = json.loads(body)["controls"]
        self._etag = answer.headers.get("ETag", "")
        return controls


class KafkaSource:
    """Reads the compacted topic from its beginning and follows it. Needs aiokafka."""

    def __init__(self, bootstrap_servers: str, *, topic: str = TOPIC, probe_s: float = 5.0, **options: Any) -> None:
        """`options`: aiokafka's, such as `security_protocol`."""
        self._servers = bootstrap_servers
        self._topic = topic
        self._probe_s = probe_s
        self._options = options
        self._once: set[str] = set()

    def run(self, stop: threading.Event, on_controls: OnControls, on_fault: OnFault) -> None:
        """See `Source.run`."""
        while not stop.is_set():
            try:
                asyncio.run(self._follow(stop, on_controls, on_fault))
            except Exception as error:
                # Whatever it is: the router goes on, with what it knows until that is too old.
                on_fault(f"{type(error).__name__}: {error}")
                stop.wait(1.0)

    async def _follow(self, stop: threading.Event, on_controls: OnControls, on_fault: OnFault) -> None:
        from aiokafka import AIOKafkaConsumer

        withhold(on_fault, self._once)
        # Without a group: all partitions, from the beginning, and nothing is committed.
        consumer = AIOKafkaConsumer(
            self._topic, bootstrap_servers=self._servers, group_id=None, auto_offset_reset="earliest", **self._options
        )
        try:
            await consumer.start()
            places = sorted(consumer.assignment())
            if not places:
                raise ValueError(f"there is no topic {self._topic}")
            ends = await consumer.end_offsets(places)
            known: dict[bytes, Mapping[str, Any]] = {}
            whole = False
            probed = asyncio.get_running_loop().time()
            while not stop.is_set():
                batches = await consumer.getmany(timeout_ms=200)
                for records in batches.values():
                    for record in records:
                        _take(known, record.key, record.value)
                if not whole:
                    # Half a picture would let calls go that are blocked: it counts once it is whole.
                    positions = [await consumer.position(place) >= ends[place] for place in places]
                    whole = all(positions)
                    if whole:
                        on_controls(list(known.values()))
                elif batches:
                    on_controls(list(known.values()))
                elif asyncio.get_running_loop().time() - probed >= self._probe_s:
                    await asyncio.wait_for(consumer.end_offsets(places), 10)
                    probed = asyncio.get_running_loop().time()
                    on_controls(None)
        finally:
            await consumer.stop()


def _take(known: dict[bytes, Mapping[str, Any]], key: bytes | None, value: bytes | None) -> None:
    """One record: a control, or its end. What cannot be read is left away: in doubt a call goes."""
    if key is None:
        return
    known.pop(key, None)
    if value:
        try:
            control = json.loads(value)
        except (ValueError, RecursionError):
            return
        if isinstance(control, dict):
            known[key] = control
