"""The router's client: the strongest control decides, throttles hold, and in doubt a call goes."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.controls.bucket import BURST_S, Bucket
from streams.controls.client import FREE, ControlClient
from streams.controls.control import EFFECTS, effect
from streams.controls.sources import _take
from tests.fakes import BASE_MS


class Fed:
    """A source that the test feeds."""

    def __init__(self) -> None:
        self.on_controls: Any = None
        self.on_fault: Any = None

    def run(self, stop: threading.Event, on_controls: Any, on_fault: Any) -> None:
        """Hand the ways in to the test."""
        self.on_controls, self.on_fault = on_controls, on_fault


class Now:
    """Both clocks."""

    def __init__(self) -> None:
        self.s = 1000.0

    def clock(self) -> float:
        return self.s

    def wall(self) -> float:
        return BASE_MS / 1000 + self.s - 1000


def client(*controls: Mapping[str, Any]) -> tuple[ControlClient, Fed, Now]:
    """A client that knows these controls."""
    fed, now = Fed(), Now()
    made = ControlClient(source=fed, clock=now.clock, wall=now.wall, stale_s=300)
    made._source.run(threading.Event(), made._on_controls, made._on_fault)
    fed.on_controls(list(controls))
    return made, fed, now


def control(scope: str = "run", subject: str = "run-1", action: str = "block", **fields: Any) -> dict[str, Any]:
    """One control of the contract."""
    return {
        "v": 1, "id": f"{scope}:{subject}", "scope": scope, "subject": subject, "mode": "enforce", "action": action,
        "reason": "inc-1", "since": BASE_MS, **fields,
    }  # fmt: skip


def test_block_names_its_reason() -> None:
    made, _, _ = client(control(incident_id="inc-1", reason="43 calls", expires_at=BASE_MS + 60_000))
    verdict = made.may_call(run_id="run-1", agent_id="bot")
    assert (verdict.allowed, verdict.effect, verdict.reason, verdict.incident_id, verdict.control_id) == (
        False, "block", "43 calls", "inc-1", "run:run-1",
    )  # fmt: skip
    assert verdict.retry_after_s == 60
    assert made.may_call(run_id="run-2", agent_id="bot") is FREE
    assert made.may_call() is FREE
    assert made.may_call(agent_id="run-1", api_key_id="run-1") is FREE


@pytest.mark.parametrize("scope", ["run", "agent", "key"])
def test_each_scope_and_observe_and_warn_let_go(scope: str) -> None:
    name = {"run": "run_id", "agent": "agent_id", "key": "api_key_id"}[scope]
    for mode, expected in (("observe", "observe"), ("warn", "warn")):
        made, _, _ = client(control(scope, "x", "block", mode=mode))
        verdict = made.may_call(**{name: "x"})
        assert (verdict.allowed, verdict.effect) == (True, expected)


def test_the_strongest_decides() -> None:
    made, _, _ = client(control(mode="warn"), control("agent", "bot", "block"), control("key", "k", "warn"))
    assert made.may_call(run_id="run-1", agent_id="bot", api_key_id="k").control_id == "agent:bot"
    assert made.may_call(run_id="run-1", api_key_id="k").allowed


def test_an_expired_or_released_control_counts_no_longer() -> None:
    made, fed, now = client(control(expires_at=BASE_MS + 1000))
    assert not made.may_call(run_id="run-1").allowed
    now.s += 1.0
    assert made.may_call(run_id="run-1") is FREE
    fed.on_controls([control(released=True)])
    assert made.may_call(run_id="run-1") is FREE


def test_a_throttle_is_not_filled_by_a_refresh() -> None:
    throttle = control(action="throttle", rate_per_minute=6.0)
    made, fed, now = client(throttle)
    assert made.may_call(run_id="run-1").allowed
    fed.on_controls([throttle, control("agent", "other", "warn")])
    refused = made.may_call(run_id="run-1")
    assert not refused.allowed
    assert refused.retry_after_s == pytest.approx(10)
    now.s += 10
    assert made.may_call(run_id="run-1").allowed
    fed.on_controls([throttle | {"rate_per_minute": 60.0}])  # another rate is another bucket
    assert made.may_call(run_id="run-1").allowed


@pytest.mark.parametrize("processes", [1, 2, 4])
def test_processes_that_share_a_throttle_let_its_rate_through_together(processes: int) -> None:
    gone = 0
    for _ in range(processes):
        fed, now = Fed(), Now()
        made = ControlClient(source=fed, processes=processes, clock=now.clock, wall=now.wall)
        made._source.run(threading.Event(), made._on_controls, made._on_fault)
        fed.on_controls([control(action="throttle", rate_per_minute=60.0)])
        while made.may_call(run_id="run-1").allowed:  # what a full bucket holds
            pass
        for _ in range(240):
            now.s += 1
            gone += made.may_call(run_id="run-1").allowed
    assert gone == pytest.approx(240, abs=processes)


def test_there_is_one_process_at_least() -> None:
    with pytest.raises(ValueError, match="processes"):
        ControlClient(source=Fed(), processes=0)


def test_it_fails_open() -> None:
    made = ControlClient(source=Fed())
    assert made.may_call(run_id="run-1") is FREE  # never started
    made, fed, now = client(control())
    fed.on_fault("the worker is away")
    now.s += 299
    assert not made.may_call(run_id="run-1").allowed  # a picture that is not old counts
    now.s += 2
    assert made.may_call(run_id="run-1") is FREE
    assert (made.status.faults, made.status.last_fault, made.status.controls) == (1, "the worker is away", 1)
    fed.on_controls(None)  # known to be right again
    assert not made.may_call(run_id="run-1").allowed
    made.close()
    assert made.may_call(run_id="run-1") is FREE


values: st.SearchStrategy[Any] = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just({}) | st.just([])
)


@given(st.dictionaries(st.sampled_from(sorted(control())), values), st.lists(values, max_size=2))
def test_what_cannot_be_read_lets_calls_go(broken: dict[str, Any], rest: list[Any]) -> None:
    made, _, _ = client(control() | broken, control("agent", "bot", "block"))
    assert not made.may_call(agent_id="bot").allowed  # the others still count
    made.may_call(run_id="run-1")
    known: dict[bytes, Mapping[str, Any]] = {}
    _take(known, b"k", json.dumps(rest, allow_nan=True).encode())
    assert known == {}


@given(
    st.lists(
        st.tuples(
            st.sampled_from(("run", "agent", "key")),
            st.sampled_from(("observe", "warn", "enforce")),
            st.sampled_from(("warn", "block")),
        ),
        max_size=3,
        unique_by=lambda one: one[0],
    )
)
def test_any_set_is_judged_by_its_strongest(found: list[tuple[str, str, str]]) -> None:
    made, _, _ = client(*(control(scope, "x", action, mode=mode) for scope, mode, action in found))
    verdict = made.may_call(run_id="x", agent_id="x", api_key_id="x")
    effects = [effect(mode, action) for _, mode, action in found]
    assert verdict.effect == (max(effects, key=EFFECTS.index) if effects else "none")
    assert verdict.allowed == ("block" not in effects)


@given(
    st.floats(min_value=0.01, max_value=10_000),
    st.lists(st.floats(min_value=-5, max_value=30), min_size=1, max_size=200),
)
def test_a_bucket_lets_no_more_through_than_its_rate_and_its_burst(rate: float, steps: list[float]) -> None:
    now = start = 0.0
    latest = 0.0
    bucket = Bucket(rate, start)
    gone = 0
    for step in steps:
        now += step
        latest = max(latest, now)
        wait = bucket.take(now)
        assert wait >= 0
        gone += wait == 0
    most = max(1.0, rate / 60 * BURST_S)
    assert gone <= most + latest * rate / 60 + 1e-6


@given(st.floats(min_value=0.1, max_value=10_000))
def test_whoever_waits_as_told_may_go(rate: float) -> None:
    bucket = Bucket(rate, 0.0)
    now = 0.0
    for _ in range(50):
        wait = bucket.take(now)
        if wait:
            now += wait * 1.000001 + 1e-9
            assert bucket.take(now) == 0


def test_threads_share_a_bucket() -> None:
    bucket = Bucket(600.0, 0.0)
    gone: list[float] = []
    threads = [threading.Thread(target=lambda: gone.extend(bucket.take(0.0) for _ in range(1000))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert gone.count(0.0) == 100


def test_where_from_is_said_once() -> None:
    with pytest.raises(ValueError, match="either"):
        ControlClient()
    with pytest.raises(ValueError, match="either"):
        ControlClient("http://x", kafka="y:1")
    with pytest.raises(ValueError, match="http"):
        ControlClient("worker:8127")


def test_an_outage_is_one_line_a_minute_and_one_when_it_is_over(caplog: pytest.LogCaptureFixture) -> None:
    _, fed, now = client()
    for _ in range(150):
        fed.on_fault("ConnectionRefusedError: no worker")
        now.s += 1
    assert [record.levelname for record in caplog.records] == ["WARNING"] * 3
    assert "ConnectionRefusedError: no worker" in caplog.records[0].getMessage()
    fed.on_controls(None)
    fed.on_controls(None)
    assert caplog.records[-1].getMessage() == "controls are known again"
    assert len(caplog.records) == 4


def test_a_kafka_that_is_away_floods_no_log(caplog: pytest.LogCaptureFixture) -> None:
    made = ControlClient(kafka="127.0.0.1:1").start()
    try:
        while made.status.faults < 4:
            time.sleep(0.02)
    finally:
        made.close()
    assert [record.name for record in caplog.records] == ["spendstream.controls"]
