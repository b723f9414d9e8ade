"""Controls on the real engine: audited, applied by policy, published, and read by routers over HTTP and Kafka."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import pytest
from aiohttp import ClientSession
from aiokafka import AIOKafkaProducer

from schemas.control import Control
from schemas.policies import ControlPolicy
from streams import topics
from streams.alert.http import IncidentHttp
from streams.alert.policies import DEFAULT_CONTROLS
from streams.controls.book import ControlBook
from streams.controls.client import ControlClient
from streams.controls.control import Change, Standing
from streams.controls.duty import ControlDuty, ControlRecord, value_of
from streams.controls.http import ControlHttp
from streams.errors import Unavailable
from streams.http.server import Access, HttpServer
from streams.kafka_admin import ensure_topics, topic_spec
from streams.ledger.store import LedgerStore
from streams.meter.outgoing import OutgoingRecord
from streams.watch.record import decode_steps
from tests.fakes import BASE_MS
from tests.incident_rows import add_event

BLOCK = ControlPolicy(name="stop", severities=("critical",), mode="enforce", action="block", minutes=60)


def change(subject: str = "run-1", **fields: Any) -> Change:
    """Ada blocks a run."""
    values: dict[str, Any] = {
        "scope": "run", "subject": subject, "mode": "enforce", "action": "block", "reason": "mine", "by": "ada",
    } | fields  # fmt: skip
    return Change(**values)


def until(holds: Callable[[], object], timeout_s: float = 30.0) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


# -- the book


def test_every_change_is_kept_and_the_last_one_counts(store: LedgerStore) -> None:
    book = ControlBook(store.database)
    assert book.standing("run", "run-1") is None
    assert book.change(change(expires_ms=BASE_MS + 1000), BASE_MS)
    assert not book.change(change(expires_ms=BASE_MS + 1000), BASE_MS + 1)  # the same again
    assert book.change(change(action="throttle", rate_per_minute=Decimal("7.5")), BASE_MS + 2)
    assert book.change(change("run:with: odd/ids ✓", scope="agent"), BASE_MS + 3)
    assert [one.change.subject for one in book.active(BASE_MS + 5)] == ["run:with: odd/ids ✓", "run-1"]
    assert book.release("run", "run-1", by="bo", reason="fixed", now_ms=BASE_MS + 6)
    assert not book.release("run", "run-1", by="bo", reason="again", now_ms=BASE_MS + 7)
    assert not book.release("run", "never", by="bo", reason="x", now_ms=BASE_MS + 7)
    history = book.history("run", "run-1")
    assert [(one.number, one.change.by, one.change.released, one.since_ms) for one in history] == [
        (1, "ada", False, BASE_MS),
        (2, "ada", False, BASE_MS + 2),
        (3, "bo", True, BASE_MS + 6),
    ]
    assert history[1].change.rate_per_minute == Decimal("7.5")
    for one in history:
        Control.model_validate(one.contract())


def test_an_expired_control_is_not_active_and_may_be_set_again(store: LedgerStore) -> None:
    book = ControlBook(store.database)
    book.change(change(expires_ms=BASE_MS + 1000), BASE_MS)
    assert len(book.active(BASE_MS + 999)) == 1
    assert book.active(BASE_MS + 1000) == []
    assert book.change(change(expires_ms=BASE_MS + 1000 + 1000), BASE_MS + 1000)


# -- the duty


class Topic:
    """Keeps what was published; away for as long as it is told."""

    def __init__(self) -> None:
        self.records: list[ControlRecord] = []
        self.away = False

    def __call__(self, records: Sequence[ControlRecord]) -> None:
        if self.away:
            raise Unavailable("the broker is away")
        self.records += records

    def take(self) -> dict[str, Any]:
        """What came since the last look: by key, None for a tombstone."""
        found = {r.key.decode(): None if r.value is None else json.loads(r.value) for r in self.records}
        self.records = []
        return found


def test_policies_act_on_changes_of_incidents_and_routers_hear_of_it(store: LedgerStore) -> None:
    topic = Topic()
    duty = ControlDuty(store.database, (BLOCK, *DEFAULT_CONTROLS), topic)
    add_event(store.database)
    add_event(store.database, "inc-2", severity="ticket", run_id="run-2")
    now = BASE_MS + 5000
    duty.run(now)
    [said] = topic.take().values()
    Control.model_validate(said)
    assert (said["id"], said["mode"], said["policy"], said["incident_id"]) == (
        "run:run-1",
        "observe",
        "default",
        "inc-1",
    )
    duty.run(now + 1000)
    assert topic.take() == {}
    add_event(store.database, number=2, change="escalated", severity="critical")
    duty.run(now + 2000)
    assert topic.take()["run:run-1"]["action"] == "block"
    # A new process says what is in force again, and changes nothing.
    ControlDuty(store.database, (BLOCK, *DEFAULT_CONTROLS), topic).run(now + 3000)
    assert topic.take()["run:run-1"]["action"] == "block"
    assert len(ControlBook(store.database).history("run", "run-1")) == 2
    duty.run(now + 3_600_000)
    assert topic.take() == {"run:run-1": None}
    duty.run(now + 3_601_000)
    assert topic.take() == {}


def test_a_person_releases_and_a_person_resolves(store: LedgerStore) -> None:
    topic, book = Topic(), ControlBook(store.database)
    duty = ControlDuty(store.database, (BLOCK,), topic)
    for number in (1, 2):
        add_event(store.database, f"inc-{number}", severity="critical", run_id=f"run-{number}")
    now = BASE_MS + 5000
    duty.run(now)
    assert set(topic.take()) == {"run:run-1", "run:run-2"}
    book.release("run", "run-1", by="ada", reason="it is fine", now_ms=now + 1)
    add_event(store.database, "inc-1", 2, "reopened", severity="critical", recorded_at=now + 10)
    add_event(
        store.database, "inc-2", 2, "resolved", severity="critical", by="bo", run_id="run-2", recorded_at=now + 10
    )
    duty.run(now + 1000)
    assert topic.take() == {"run:run-1": None, "run:run-2": None}
    last = book.history("run", "run-2")[-1]
    assert (last.change.by, last.change.released, last.change.incident_id) == ("bo", True, "inc-2")


def test_what_the_detector_resolves_stays_controlled_until_it_ends(store: LedgerStore) -> None:
    topic = Topic()
    duty = ControlDuty(store.database, (BLOCK,), topic)
    add_event(store.database, severity="critical")
    duty.run(BASE_MS + 5000)
    topic.take()
    add_event(store.database, number=2, change="resolved", severity="critical")
    duty.run(BASE_MS + 6000)
    assert topic.take() == {}


def test_a_broker_that_is_away_gets_it_later(store: LedgerStore) -> None:
    topic, book = Topic(), ControlBook(store.database)
    duty = ControlDuty(store.database, (), topic)
    book.change(change(), BASE_MS)
    topic.away = True
    with pytest.raises(Unavailable):
        duty.run(BASE_MS + 1)
    topic.away = False
    duty.run(BASE_MS + 2)
    assert set(topic.take()) == {"run:run-1"}


def test_the_past_of_a_first_start_controls_nobody(store: LedgerStore) -> None:
    topic = Topic()
    add_event(store.database, severity="critical", backfill=1)
    ControlDuty(store.database, (BLOCK,), topic).run(BASE_MS + 5000)
    assert topic.take() == {}


# -- HTTP


class Serving:
    """The routes, on a port of their own, in a thread; `url` is theirs."""

    def __init__(self, store: LedgerStore, now_ms: Callable[[], int]) -> None:
        self.sent: list[OutgoingRecord] = []
        self.away = False
        self._loop = asyncio.new_event_loop()

        async def send(records: list[OutgoingRecord]) -> None:
            if self.away:
                raise Unavailable("the broker is away")
            self.sent += records

        controls = ControlHttp(store.database, now_ms=now_ms)
        incidents = IncidentHttp(store.database, send, now_ms=now_ms)
        self._server = HttpServer([*controls.routes(), *incidents.routes()], access=Access())
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Serving:
        self._thread.start()
        host, port = asyncio.run_coroutine_threadsafe(self._server.start("127.0.0.1", 0), self._loop).result(20)
        self.url = f"http://{host}:{port}"
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._server.stop(), self._loop).result(20)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(20)
        self._loop.close()

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any, str]:
        """(status, JSON, ETag)."""

        async def one() -> tuple[int, Any, str]:
            async with (
                ClientSession() as session,
                session.request(method, self.url + path, json=body, headers=headers) as answer,
            ):
                text = await answer.text()
                return answer.status, json.loads(text) if text else None, answer.headers.get("ETag", "")

        return asyncio.run(one())


def test_routers_read_and_people_set_over_http(store: LedgerStore) -> None:
    with Serving(store, lambda: BASE_MS) as http:
        status, body, etag = http.ask("GET", "/v1/controls")
        assert (status, body) == (200, {"controls": []})
        assert http.ask("GET", "/v1/controls", **{"If-None-Match": etag})[0] == 304
        asked = {"action": "throttle", "rate_per_minute": 6, "reason": "inc-1", "minutes": 60, "by": "ada"}
        status, body, _ = http.ask("PUT", "/v1/controls/run/team%2Frun%201", asked)
        assert (status, body["control"]["subject"], body["control"]["by"]) == (200, "team/run 1", "ada")
        assert body["control"]["expires_at"] == BASE_MS + 3_600_000
        status, body, _ = http.ask("GET", "/v1/controls", **{"If-None-Match": etag})
        assert (status, [one["id"] for one in body["controls"]]) == (200, ["run:team/run 1"])
        assert http.ask("DELETE", "/v1/controls/run/team%2Frun%201", {"reason": "fixed"})[0] == 200
        assert http.ask("DELETE", "/v1/controls/run/team%2Frun%201", {"reason": "fixed"})[0] == 404
        assert http.ask("GET", "/v1/controls")[1] == {"controls": []}
    history = ControlBook(store.database).history("run", "team/run 1")
    assert [(one.change.by, one.change.released) for one in history] == [("ada", False), ("local", True)]


def test_a_control_names_an_incident_that_there_is(store: LedgerStore) -> None:
    add_event(store.database, "inc-1f6a")
    add_event(store.database, "inc-2b01")
    asked = {"action": "block", "reason": "inc-1", "incident_id": "inc-1"}
    with Serving(store, lambda: BASE_MS) as http:
        status, body, _ = http.ask("PUT", "/v1/controls/run/r", asked)
        assert (status, body["control"]["incident_id"], body["control"]["reason"]) == (200, "inc-1f6a", "inc-1f6a")
        status, body, _ = http.ask("PUT", "/v1/controls/run/r", {**asked, "reason": "in words"})
        assert (status, body["control"]["incident_id"], body["control"]["reason"]) == (200, "inc-1f6a", "in words")
        status, body, _ = http.ask("PUT", "/v1/controls/run/s", {**asked, "incident_id": "inc-9"})
        assert (status, "no incident 'inc-9'" in body["error"]) == (404, True)
        status, body, _ = http.ask("PUT", "/v1/controls/run/s", {**asked, "incident_id": "inc-"})
        assert (status, "several" in body["error"]) == (400, True)
        assert len(http.ask("GET", "/v1/controls")[1]["controls"]) == 1


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("/v1/controls/team/x", {"action": "block", "reason": "r"}, "no scope"),
        ("/v1/controls/run/x", {"action": "throttle", "reason": "r"}, "rate"),
        ("/v1/controls/run/x", {"action": "stop", "reason": "r"}, "action"),
        ("/v1/controls/run/x", {"action": "block"}, "reason"),
        ("/v1/controls/run/x", {"action": "block", "reason": " "}, "reason"),
        ("/v1/controls/run/x", {"action": "block", "reason": "r", "until": 1}, "until"),
        ("/v1/controls/run/x", [1], "body"),
        ("/v1/controls/run/" + "x" * 600, {"action": "block", "reason": "r"}, "at most"),
    ],
)
def test_wrong_requests_say_what_is_wrong(store: LedgerStore, path: str, body: Any, words: str) -> None:
    with Serving(store, lambda: BASE_MS) as http:
        status, answer, _ = http.ask("PUT", path, body)
    assert status == 400
    assert words in answer["error"]


def test_what_a_person_does_to_an_incident_becomes_a_record_for_the_watcher(store: LedgerStore) -> None:
    add_event(store.database, partition=3)
    add_event(store.database, "inc-2", number=2, change="resolved")
    with Serving(store, lambda: BASE_MS) as http:
        assert [one["incident_id"] for one in http.ask("GET", "/v1/incidents")[1]["incidents"]] == ["inc-1"]
        assert len(http.ask("GET", "/v1/incidents?state=all")[1]["incidents"]) == 2
        assert http.ask("GET", "/v1/incidents?state=odd")[0] == 400
        assert http.ask("GET", "/v1/incidents?limit=x&y=1")[0] == 400
        assert http.ask("GET", "/v1/incidents/inc-1")[1]["incident"]["kind"] == "loop"
        assert http.ask("GET", "/v1/incidents/none")[0] == 404
        status, body, _ = http.ask("POST", "/v1/incidents/inc-1/silence", {"minutes": 5, "reason": "r", "by": "ada"})
        assert (status, body["by"]) == (202, "ada")
        assert http.ask("POST", "/v1/incidents/inc-1/silence", {})[0] == 400
        assert http.ask("POST", "/v1/incidents/inc-1/resolve", {"minutes": 5})[0] == 400
        assert http.ask("POST", "/v1/incidents/inc-1/explode", {})[0] == 400
        assert http.ask("POST", "/v1/incidents/none/resolve", {})[0] == 404
        assert http.ask("POST", "/v1/incidents/inc-2/resolve", {})[0] == 409
        http.away = True
        assert http.ask("POST", "/v1/incidents/inc-1/resolve", {})[0] == 503
        [record] = http.sent
    assert (record.topic, record.partition) == (topics.STEPS, 3)
    steps = decode_steps(record.value)
    assert steps is not None
    [action] = steps.actions
    assert (action.incident_id, action.action, action.by, action.reason) == ("inc-1", "silence", "ada", "r")
    assert action.until_ms == BASE_MS + 300_000


def test_the_client_follows_a_worker(store: LedgerStore) -> None:
    now_ms = lambda: time.time_ns() // 1_000_000  # noqa: E731
    with Serving(store, now_ms) as http:
        client = ControlClient(http.url, refresh_s=0.05).start(wait_s=20)
        assert client.may_call(run_id="run-1").effect == "none"
        http.ask("PUT", "/v1/controls/run/run-1", {"action": "block", "reason": "inc-1"})
        until(lambda: not client.may_call(run_id="run-1").allowed)
        http.ask("DELETE", "/v1/controls/run/run-1", {"reason": "fixed"})
        until(lambda: client.may_call(run_id="run-1").allowed)
        assert client.status.faults == 0
    until(lambda: client.status.faults > 0)
    client.close()


def test_a_client_of_nobody_lets_calls_go() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    client = ControlClient(f"http://127.0.0.1:{port}", refresh_s=0.01).start()
    until(lambda: client.status.faults > 1)
    assert client.may_call(run_id="run-1").allowed
    client.close()


# -- Kafka


async def produce(bootstrap: str, records: Sequence[ControlRecord]) -> None:
    """Send to the topic."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap)
    await producer.start()
    try:
        for record in records:
            await producer.send_and_wait(topics.CONTROLS, record.value, record.key, 0)
    finally:
        await producer.stop()


def test_the_client_follows_the_topic(broker: str) -> None:
    asyncio.run(ensure_topics(broker, [topic_spec(topics.CONTROLS, 1, compact=True)]))
    now_ms = time.time_ns() // 1_000_000

    def record(subject: str, **fields: Any) -> ControlRecord:
        standing = Standing(1, now_ms, change(subject, **fields))
        return ControlRecord(standing.change.id.encode(), value_of(standing, now_ms))

    asyncio.run(produce(broker, [record("run-1"), record("run-2"), ControlRecord(b"run:run-2", None)]))
    client = ControlClient(kafka=broker).start(wait_s=30)
    assert not client.may_call(run_id="run-1").allowed
    assert client.may_call(run_id="run-2").effect == "none"
    asyncio.run(produce(broker, [ControlRecord(b"run:run-1", None), record("run-3", mode="warn")]))
    until(lambda: client.may_call(run_id="run-3").effect == "warn")
    assert client.may_call(run_id="run-1").effect == "none"
    client.close()
