"""Delivery on the real engine, to a receiver that fails, hangs and cuts: nothing lost, nothing told twice."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from streams.alert.box import NoticeBox
from streams.alert.channels.base import ChannelError
from streams.alert.channels.make import make_channels
from streams.alert.deliver import LEASE_MS, REMIND_MS, Deliverer
from streams.alert.journal import Delivery, Journal
from streams.alert.message import Message
from streams.alert.policies import Policies, parse_policies
from streams.errors import SpendstreamError, Unavailable
from streams.ledger.client import Database
from streams.ledger.store import LedgerStore
from tests.fakes import BASE_MS
from tests.notices import notice
from tests.standin import Receiver, answer, cut, drip, hang, then

HOUR_MS = 3_600_000
SECRET = "a-secret-of-some-length"

ONE_HOOK = """
[channel.hook]
type = "webhook"
url = "env:HOOK"
secret = "env:SECRET"
timeout_seconds = 2
[[route]]
channels = ["hook"]
"""


@dataclass
class Clock:
    """Time as the test wants it."""

    now: int = BASE_MS

    def __call__(self) -> int:
        return self.now


@dataclass
class Setting:
    """A ledger, a box, and deliverers on it that come and go."""

    database: Database
    policies: Policies
    clock: Clock = field(default_factory=Clock)
    worker: str = "worker-1"

    def __post_init__(self) -> None:
        self.box = NoticeBox(self.database, now_ms=self.clock)
        self.deliverer = self.another()

    def another(self, worker: str | None = None, journal: Journal | None = None) -> Deliverer:
        """A deliverer as a process that has just started has it."""
        return Deliverer(
            journal or Journal(self.database),
            self.policies,
            make_channels(self.policies.channels),
            worker or self.worker,
            now_ms=self.clock,
        )

    def run(self, later_ms: int = 0) -> None:
        """One turn, `later_ms` after the one before."""
        self.clock.now += later_ms
        self.deliverer.run(self.clock.now)
        self.deliverer.close()

    def states(self) -> list[tuple[Any, ...]]:
        """(notice, channel, attempt, state) of all rows, in order of attempt and state."""
        return self.database.rows(
            "SELECT notice, channel, attempt, toString(state) FROM deliveries ORDER BY notice, channel, attempt, state"
        )


def setting(store: LedgerStore, receiver: Receiver, text: str = ONE_HOOK) -> Setting:
    """A setting with one receiver behind every URL."""
    environment = {
        "HOOK": receiver.url + "/hook?token=s3cr3t-t0ken",
        "OTHER": receiver.url + "/other",
        "SECRET": SECRET,
    }
    return Setting(store.database, parse_policies(text, "policies.toml", environment))


def test_a_notice_is_sent_once_and_again_by_nobody(store: LedgerStore) -> None:
    with Receiver() as receiver:
        at = setting(store, receiver)
        at.box.put([notice()])
        for _ in range(3):
            at.run(1000)
        at.deliverer = at.another()
        at.run(HOUR_MS)
        at.deliverer = at.another("worker-2")
        at.run(24 * HOUR_MS)
        assert [request.headers["webhook-id"] for request in receiver.requests] == ["inc-1:1"]
    assert at.states() == [
        ("inc-1:1", "hook", 0, "planned"),
        ("inc-1:1", "hook", 1, "sending"),
        ("inc-1:1", "hook", 1, "sent"),
    ]


@pytest.mark.parametrize("behaviour", [answer(500), answer(503), hang(3), cut(), drip(3), answer(429, Retry_After="1")])
def test_what_fails_is_tried_again_with_the_same_id_until_it_is_taken(store: LedgerStore, behaviour: Any) -> None:
    with Receiver() as receiver:
        at = setting(store, receiver)
        receiver.next(behaviour, behaviour)
        at.box.put([notice()])
        at.run()
        at.run(1000)  # 2 s less a quarter at most have not passed
        assert len(receiver.requests) == 1
        at.run(2000)
        assert len(receiver.requests) == 2
        at.run(2000)
        at.run(6000)
        at.run(6000)
        ids = {(r.headers["webhook-id"], r.headers["idempotency-key"]) for r in receiver.requests}
        assert ids == {("inc-1:1", "inc-1:1")}
        assert len(receiver.requests) == 3
    assert [row[2:] for row in at.states()][-2:] == [(3, "sending"), (3, "sent")]


def test_a_redirect_is_refused(store: LedgerStore) -> None:
    with Receiver() as receiver, Receiver() as elsewhere:
        at = setting(store, receiver)
        receiver.next(answer(307, Location=elsewhere.url + "/stolen"))
        at.box.put([notice()])
        at.run()
        assert elsewhere.requests == []
    [(error,)] = store.database.rows("SELECT error FROM deliveries WHERE state = 'failed'")
    assert "redirect" in error


def test_a_restart_goes_on_where_the_other_process_stopped(store: LedgerStore) -> None:
    with Receiver() as receiver:
        at = setting(store, receiver)
        receiver.next(answer(500))
        at.box.put([notice(), notice("inc-2:1")])
        at.run()  # the first fails, so the channel rests, and the second waits
        assert len(receiver.requests) == 1
        at.deliverer = at.another()
        at.run(3000)
        assert sorted(request.headers["webhook-id"] for request in receiver.requests[1:]) == ["inc-1:1", "inc-2:1"]


def test_a_claim_of_a_dead_process_is_repeated_with_the_same_id_after_its_lease(store: LedgerStore) -> None:
    """A process died between `sending` and its outcome: nobody can know, so it is sent (perhaps again)."""
    with Receiver() as receiver:
        at = setting(store, receiver)
        at.box.put([notice()])
        dead = Delivery("inc-1:1", "hook", "inc-1", 1, "sending", BASE_MS, BASE_MS, claim="worker-9/dead")
        Journal(store.database).write([dead])
        at.run(LEASE_MS - 1)
        assert receiver.requests == []
        at.run(1)
        assert [request.headers["webhook-id"] for request in receiver.requests] == ["inc-1:1"]


def test_a_claim_of_an_earlier_life_of_this_worker_is_repeated_at_once(store: LedgerStore) -> None:
    with Receiver() as receiver:
        at = setting(store, receiver)
        at.box.put([notice()])
        dead = Delivery("inc-1:1", "hook", "inc-1", 1, "sending", BASE_MS, BASE_MS, claim="worker-1/dead")
        Journal(store.database).write([dead])
        at.run(1)
        assert len(receiver.requests) == 1


def test_two_workers_at_once_send_once(store: LedgerStore) -> None:
    """Both see the notice planned; whoever sees the other's claim stands back, and later only one goes on."""
    with Receiver() as receiver:
        at = setting(store, receiver)
        at.box.put([notice()])
        barrier = threading.Barrier(2, timeout=20)

        class Together(Journal):
            def claims(self, *arguments: Any) -> dict[str, set[str]]:
                barrier.wait()  # both have written `sending`
                found = super().claims(*arguments)
                barrier.wait()  # both have looked
                return found

        class NoPlan(Together):
            def unplanned(self, since_ms: int) -> Any:
                return []

        at.deliverer._plan(at.clock.now, 0)
        both = [at.another(f"worker-{n}", NoPlan(store.database)) for n in (1, 2)]
        threads = [threading.Thread(target=one.run, args=(at.clock.now,)) for one in both]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert receiver.requests == []
        at.run(LEASE_MS)
        at.deliverer = at.another("worker-2")
        at.run(LEASE_MS)
        assert len(receiver.requests) == 1


def test_a_fault_of_the_ledger_after_the_send_does_not_send_again(store: LedgerStore) -> None:
    with Receiver() as receiver:
        at = setting(store, receiver)

        class Away(Journal):
            broken = False

            def write(self, rows: Any) -> None:
                if self.broken and any(row.state in {"sent", "failed"} for row in rows):
                    raise Unavailable("the ledger is away")
                super().write(rows)

        journal = Away(store.database)
        at.deliverer = at.another(journal=journal)
        receiver.next(then(lambda: setattr(journal, "broken", True), answer(200)))
        at.box.put([notice()])
        with pytest.raises(Unavailable):
            at.run()
        for _ in range(3):
            with pytest.raises(Unavailable):
                at.run(LEASE_MS)
        journal.broken = False
        at.run(LEASE_MS)
        at.run(LEASE_MS)
        assert len(receiver.requests) == 1
    assert at.states()[-1] == ("inc-1:1", "hook", 1, "sent")


def test_a_fault_of_the_ledger_before_the_send_is_tried_again_by_the_same_process(store: LedgerStore) -> None:
    with Receiver() as receiver:
        at = setting(store, receiver)

        class Away(Journal):
            broken = True

            def claims(self, *arguments: Any) -> dict[str, set[str]]:
                if self.broken:
                    raise Unavailable("the ledger is away")
                return super().claims(*arguments)

        journal = Away(store.database)
        at.deliverer = at.another(journal=journal)
        at.box.put([notice()])
        with pytest.raises(Unavailable):
            at.run()
        assert receiver.requests == []
        journal.broken = False
        at.run(1000)
        assert len(receiver.requests) == 1


def test_a_channel_that_hangs_keeps_no_other_waiting(store: LedgerStore) -> None:
    text = ONE_HOOK.replace("timeout_seconds = 2", "timeout_seconds = 30").replace(
        '[[route]]\nchannels = ["hook"]',
        '[channel.other]\ntype = "webhook"\nurl = "env:OTHER"\nsecret = "env:SECRET"\n'
        '[[route]]\nkinds = ["loop"]\nchannels = ["hook"]\n[[route]]\nchannels = ["other"]',
    )
    release = threading.Event()
    with Receiver() as receiver:
        at = setting(store, receiver, text)
        receiver.next(then(lambda: void(release.wait(20)), answer(200)))
        at.box.put([notice()])
        at.deliverer.run(at.clock.now)
        at.box.put([notice("budget:1", labels={"kind": "budget"}), notice("inc-3:1")])
        at.deliverer.run(at.clock.now)
        assert [request.path for request in receiver.requests] == ["/hook?token=s3cr3t-t0ken", "/other"]
        release.set()
        at.deliverer.close()
        at.run()
        assert sorted(request.json["id"] for request in receiver.requests) == ["budget:1", "inc-1:1", "inc-3:1"]


def test_of_one_subject_a_channel_hears_in_order(store: LedgerStore) -> None:
    with Receiver() as receiver:
        at = setting(store, receiver)
        receiver.next(answer(400))
        at.box.put(
            [notice(), notice("inc-1:2", change="resolved", resolved=True, at_ms=BASE_MS + 5), notice("inc-2:1")]
        )
        at.run()
        assert [request.json["id"] for request in receiver.requests] == ["inc-1:1", "inc-2:1"]
        at.run(5000)
        at.run(5000)
        assert [request.json["id"] for request in receiver.requests[2:]] == ["inc-1:1", "inc-1:2"]


def test_what_is_never_taken_is_given_up_with_an_error_in_the_log(store: LedgerStore) -> None:
    with Receiver() as receiver:
        at = setting(store, receiver)
        receiver.next(*[answer(500)] * 100)
        at.box.put([notice()])
        with capture_logs() as logs:
            for _ in range(30):
                at.run(HOUR_MS)
        tried = len(receiver.requests)
        assert tried == 25  # at once, then every hour until a day is over
        assert [entry["id"] for entry in logs if entry["log_level"] == "error"] == ["inc-1:1"]
    assert at.states()[-1][3] == "given_up"


def test_without_policies_notices_are_recorded_and_logged_and_nothing_is_sent(store: LedgerStore) -> None:
    at = Setting(store.database, Policies())
    at.box.put([notice()])
    with capture_logs() as logs:
        at.run()
        at.run(1000)
    assert [entry["id"] for entry in logs if entry["event"] == "notice"] == ["inc-1:1"]
    assert at.states() == [("inc-1:1", "", 0, "unrouted")]


def test_a_digest_is_one_message_when_its_time_has_come(store: LedgerStore) -> None:
    with Receiver() as receiver:
        at = setting(store, receiver, ONE_HOOK + "digest_hours = 4\n")
        at.box.put([notice(), notice("inc-2:1")])
        at.run()
        at.run(HOUR_MS)
        at.box.put([notice("inc-1:2", change="resolved", resolved=True, at_ms=BASE_MS + 7)])
        at.run()
        at.run(3 * HOUR_MS - 1)
        assert receiver.requests == []
        receiver.next(answer(500))
        at.run(1)
        at.run(1000)
        at.run(2000)
        at.run(HOUR_MS)
        assert [request.json["type"] for request in receiver.requests] == ["digest", "digest"]
        assert len({request.headers["webhook-id"] for request in receiver.requests}) == 1
        assert [one["id"] for one in receiver.requests[1].json["notices"]] == ["inc-1:1", "inc-2:1", "inc-1:2"]


def test_what_is_planned_for_a_channel_that_is_gone_is_given_up(store: LedgerStore) -> None:
    with Receiver() as receiver:
        at = setting(store, receiver)
        receiver.next(answer(500))
        at.box.put([notice()])
        at.run()
        at.policies = Policies()
        at.deliverer = at.another()
        at.run(5000)
        at.run(5000)
    assert at.states()[-1][3] == "given_up"


ALERTMANAGER = """
[channel.prom]
type = "alertmanager"
url = "env:HOOK"
[[route]]
channels = ["prom"]
"""


def test_open_alerts_are_said_again_until_they_end(store: LedgerStore) -> None:
    with Receiver() as receiver:
        at = setting(store, receiver, ALERTMANAGER)
        at.box.put([notice()])
        at.run()
        at.run(REMIND_MS - 1)
        assert len(receiver.requests) == 1
        at.run(1)
        at.deliverer = at.another()
        at.run(1)  # a new process says all again at once, for it cannot know
        assert len(receiver.requests) == 3
        at.box.put([notice("inc-1:2", severity="critical", change="escalated", at_ms=BASE_MS + 1)])
        at.run(1)
        [now, before] = receiver.requests[3].json
        assert (now["labels"]["severity"], before["labels"]["severity"]) == ("critical", "warning")
        assert now["endsAt"] > before["endsAt"]
        at.box.put([notice("inc-1:3", severity="critical", change="resolved", resolved=True, at_ms=BASE_MS + 2)])
        at.run(1)
        assert {alert["endsAt"] for alert in receiver.requests[4].json} == {"2026-03-02T00:01:00.003Z"}
        at.run(REMIND_MS * 10)
        assert len(receiver.requests) == 5


def test_a_silenced_change_reaches_only_who_would_else_believe_it_is_open(store: LedgerStore) -> None:
    with Receiver() as receiver:
        at = setting(store, receiver, ALERTMANAGER + ONE_HOOK.replace("[[route]]", "[[route]]\nalso = true"))
        text = (ALERTMANAGER + ONE_HOOK).replace('[[route]]\nchannels = ["prom"]\n', "", 1)
        at.policies = parse_policies(
            text.replace('["hook"]', '["hook", "prom"]'),
            "policies.toml",
            {"HOOK": receiver.url + "/x", "SECRET": SECRET},
        )
        at.deliverer = at.another()
        at.box.put([notice()])
        at.run()
        assert len(receiver.requests) == 2
        labels = {"kind": "loop", "agent": "bot", "run": "run-1", "silenced": "yes"}
        at.box.put([notice("inc-1:2", change="resolved", resolved=True, at_ms=BASE_MS + 1, labels=labels)])
        at.box.put([notice("inc-2:1", labels=labels)])
        at.run(1)
        assert [request.path for request in receiver.requests[2:]] == ["/x/api/v2/alerts"]
    assert ("inc-2:1", "", 0, "unrouted") in at.states()


def test_no_secret_is_in_the_ledger_or_the_log(store: LedgerStore) -> None:
    with Receiver() as receiver:
        at = setting(store, receiver)
        receiver.next(answer(500), cut(), hang(2), answer(302, Location="https://x/s3cr3t-t0ken"), answer(400))
        with capture_logs() as logs:
            at.box.put([notice()])
            for _ in range(8):
                at.run(HOUR_MS)
        assert len(receiver.requests) == 6
    kept = repr(store.database.rows("SELECT * FROM deliveries")) + repr(store.database.rows("SELECT * FROM notices"))
    for place in (kept, repr(logs), repr(at.policies)):
        assert "s3cr3t" not in place
        assert SECRET not in place


def test_a_channel_with_a_bug_is_tried_again_and_seen(store: LedgerStore) -> None:
    class Broken:
        name = "hook"
        remind_ms = 0

        def send(self, message: object, now_ms: int) -> None:
            raise RuntimeError("a bug")

        def remind(self, notices: object, now_ms: int) -> None:
            raise AssertionError

    with Receiver() as receiver:
        at = setting(store, receiver)
    at.deliverer = Deliverer(Journal(store.database), at.policies, {"hook": Broken()}, "worker-1", now_ms=at.clock)
    at.box.put([notice()])
    with pytest.raises(SpendstreamError, match="a bug"):
        at.run()
    with pytest.raises(SpendstreamError, match="a bug"):
        at.run(5000)
    assert at.states()[-1][2:] == (2, "failed")


def void(_: object) -> None:
    """Drop a result."""


def test_of_many_notices_each_is_taken_once_though_the_channel_stops_halfway(store: LedgerStore) -> None:
    with Receiver() as receiver:
        at = setting(store, receiver)
        at.box.put([notice(f"inc-{number}:1") for number in range(40)])
        receiver.next(*[answer(200)] * 20, answer(503), answer(200), answer(422))
        for _ in range(6):
            at.run(10_000)
        ids = [request.json["id"] for request in receiver.requests]
        assert sorted(set(ids)) == sorted(f"inc-{number}:1" for number in range(40))
        assert len(ids) == 42
    [(sent,)] = store.database.rows("SELECT count() FROM deliveries WHERE state = 'sent'")
    assert sent == 40


class Fickle:
    """A channel that does what the test drew, and notes what it took."""

    name = "hook"
    remind_ms = 0

    def __init__(self) -> None:
        self.taken: list[str] = []
        self.faults: list[ChannelError | None] = []

    def send(self, message: Message, now_ms: int) -> None:
        fault = self.faults.pop(0) if self.faults else None
        if fault is not None:
            raise fault
        self.taken += [one.id for one in message.notices]

    def remind(self, notices: object, now_ms: int) -> None:
        raise AssertionError


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.integers(0, 5)),
        st.tuples(st.just("fail"), st.booleans()),
        st.tuples(st.just("restart"), st.sampled_from(("worker-1", "worker-2"))),
        st.tuples(st.just("later"), st.integers(1, 200_000)),
    ),
    max_size=12,
)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS)
def test_whatever_happens_each_notice_is_taken_once_and_in_order(
    store: LedgerStore, steps: list[tuple[str, Any]]
) -> None:
    for table in ("notice_rows", "deliveries"):
        store.database.command(f"TRUNCATE TABLE {table}")
    with Receiver() as receiver:
        at = setting(store, receiver)
    channel = Fickle()
    at.deliverer = Deliverer(Journal(store.database), at.policies, {"hook": channel}, "worker-1", now_ms=at.clock)
    put: dict[str, None] = {}
    numbers = [0] * 6
    for what, value in [*steps, ("later", 2000)]:
        if what == "put":
            numbers[value] += 1
            one = notice(f"inc-{value}:{numbers[value]}", at_ms=at.clock.now + numbers[value], change="reopened")
            at.box.put([one])
            put[one.id] = None
        elif what == "fail":
            channel.faults.append(ChannelError("not now", alone=value))
        elif what == "restart":
            at.deliverer = Deliverer(Journal(store.database), at.policies, {"hook": channel}, value, now_ms=at.clock)
        else:
            at.run(value)
    for _ in range(40):
        if len(channel.taken) == len(put):
            break
        at.run(400_000)
    assert sorted(channel.taken) == sorted(put)
    for subject in {id_.partition(":")[0] for id_ in put}:
        mine = [id_ for id_ in channel.taken if id_.partition(":")[0] == subject]
        assert mine == sorted(mine, key=lambda id_: int(id_.partition(":")[2]))
