"""For routers: "may this call go?", answered from memory in about a microsecond.

    controls = ControlClient("http://worker:8127", token="...").start()
    verdict = controls.may_call(run_id="run-42", agent_id="support-bot", api_key_id="key-7")
    if not verdict.allowed:
        ...  # 429 with verdict.reason, Retry-After: verdict.retry_after_s

Contract
    - `may_call` never waits, never raises and does no I/O; a thread keeps the picture fresh, from a worker or, with
      `kafka="broker:9092"`, from the topic.
    - It fails open: without a picture, with one older than `stale_s`, and for a control that it cannot read, calls go.
    - A throttle is a token bucket of this process, of its rate divided by `processes`: say how many of yours share it.
      Told nothing, n processes let n times the rate through.
    - The thread starts in `start()`, after a fork, never at import.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Literal, Self

from streams.controls.bucket import Bucket
from streams.controls.control import EFFECTS, Effect, effect
from streams.controls.sources import HttpSource, KafkaSource, Source

log = logging.getLogger("spendstream.controls")


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a call may go, and which control says so. `effect` is `none` where no control is in force."""

    allowed: bool
    effect: Literal["none", "observe", "warn", "throttle", "block"] = "none"
    reason: str = ""
    incident_id: str = ""
    control_id: str = ""
    retry_after_s: float | None = None
    """A throttle's: when a call may go; None for a block that a person has to release, else seconds to its expiry."""


FREE: Final = Verdict(True)
"""No control is in force."""


@dataclass(frozen=True, slots=True)
class Status:
    """How fresh the picture is. `age_s`: seconds since it was last known to be right; None: never."""

    controls: int
    age_s: float | None
    faults: int
    last_fault: str


@dataclass(frozen=True, slots=True)
class _Entry:
    effect: Effect
    expires_s: float
    verdict: Verdict
    bucket: Bucket | None


@dataclass(frozen=True, slots=True)
class _Picture:
    run: Mapping[str, _Entry]
    agent: Mapping[str, _Entry]
    key: Mapping[str, _Entry]

    def __len__(self) -> int:
        return len(self.run) + len(self.agent) + len(self.key)


_NOTHING: Final = _Picture({}, {}, {})
_NEVER: Final = float("inf")
_SAY_S: Final = 60.0
"""From one line about an outage to the next."""


class ControlClient:
    """See the module."""

    def __init__(
        self,
        url: str = "",
        *,
        kafka: str = "",
        token: str = "",
        refresh_s: float = 1.0,
        stale_s: float = 300.0,
        source: Source | None = None,
        processes: int = 1,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        **kafka_options: Any,
    ) -> None:
        """`url` of a worker, or `kafka` as host:port, or a `source` of your own. Raises ValueError for none or two.

        `processes`: how many processes ask for the same calls, this one among them; each lets its share of a throttle
        through.
        """
        if sum((bool(url), bool(kafka), source is not None)) != 1:
            raise ValueError("give either the url of a worker, or kafka=host:port")
        if processes < 1:
            raise ValueError("processes: at least this one")
        if source is None:
            source = HttpSource(url, token=token, refresh_s=refresh_s) if url else KafkaSource(kafka, **kafka_options)
        self._source = source
        self._stale_s = stale_s
        self._processes = processes
        self._clock = clock
        self._wall = wall
        self._picture = _NOTHING
        self._known: list[Mapping[str, Any]] = []
        self._fresh_at: float | None = None
        self._faults = 0
        self._last_fault = ""
        self._said_at: float | None = None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._first = threading.Event()

    def start(self, wait_s: float = 0.0) -> Self:
        """Begin to refresh; with `wait_s` wait so long at most for the first picture."""
        if self._thread is None:
            self._thread = threading.Thread(
                target=self._source.run,
                args=(self._stop, self._on_controls, self._on_fault),
                name="spendstream-controls",
                daemon=True,
            )
            self._thread.start()
        if wait_s > 0:
            self._first.wait(wait_s)
        return self

    def close(self, timeout_s: float = 10.0) -> None:
        """Stop refreshing; calls go freely from now on."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout_s)
        self._picture = _NOTHING

    def may_call(
        self, *, run_id: str | None = None, agent_id: str | None = None, api_key_id: str | None = None
    ) -> Verdict:
        """Whether a call of this run, agent and key may go now; the strongest control decides."""
        picture = self._picture
        if picture is _NOTHING:
            return FREE
        if self._fresh_at is None or self._clock() - self._fresh_at > self._stale_s:
            return FREE
        found: list[_Entry] = []
        if run_id is not None and (entry := picture.run.get(run_id)) is not None:
            found.append(entry)
        if agent_id is not None and (entry := picture.agent.get(agent_id)) is not None:
            found.append(entry)
        if api_key_id is not None and (entry := picture.key.get(api_key_id)) is not None:
            found.append(entry)
        return self._judge(found) if found else FREE

    @property
    def status(self) -> Status:
        """For your metrics."""
        fresh_at = self._fresh_at
        age = None if fresh_at is None else self._clock() - fresh_at
        return Status(len(self._picture), age, self._faults, self._last_fault)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _judge(self, found: list[_Entry]) -> Verdict:
        wall = self._wall()
        best: _Entry | None = None
        for entry in found:
            if entry.expires_s > wall and (best is None or _rank(entry) > _rank(best)):
                best = entry
        if best is None:
            return FREE
        if best.effect == "block":
            left = best.expires_s - wall
            return best.verdict if left == _NEVER else _refused(best, left)
        if best.effect == "throttle":
            now = self._clock()
            wait = 0.0
            for entry in found:
                if entry.bucket is not None and entry.expires_s > wall:
                    wait = max(wait, entry.bucket.take(now))
            if wait > 0:
                return _refused(best, wait)
        return best.verdict

    def _on_controls(self, controls: list[Mapping[str, Any]] | None) -> None:
        if self._said_at is not None:
            log.warning("controls are known again")
            self._said_at = None
        if controls is not None and controls != self._known:
            self._picture = self._drawn(controls)
            self._known = controls
        self._fresh_at = self._clock()
        self._first.set()

    def _on_fault(self, message: str) -> None:
        self._faults += 1
        self._last_fault = message
        now = self._clock()
        if self._said_at is None or now - self._said_at >= _SAY_S:
            self._said_at = now
            log.warning(
                "no news of controls (%s): what is known holds for %.0f s after the last, then calls go freely; "
                "trying again", message, self._stale_s,
            )  # fmt: skip

    def _drawn(self, controls: list[Mapping[str, Any]]) -> _Picture:
        scopes: dict[str, dict[str, _Entry]] = {"run": {}, "agent": {}, "key": {}}
        for control in controls:
            entry = self._entry(control)
            if entry is not None:
                scopes[control["scope"]][control["subject"]] = entry
        if not any(scopes.values()):
            return _NOTHING
        return _Picture(scopes["run"], scopes["agent"], scopes["key"])

    def _entry(self, control: Mapping[str, Any]) -> _Entry | None:
        """None for what is released, or cannot be read: in doubt a call goes."""
        try:
            if control.get("released") or control["scope"] not in {"run", "agent", "key"}:
                return None
            subject, id_ = control["subject"], control["id"]
            if not isinstance(subject, str) or not isinstance(id_, str):
                return None
            comes_to = effect(control["mode"], control["action"])
            expires = control.get("expires_at")
            bucket = None
            if comes_to == "throttle":
                rate = float(control["rate_per_minute"]) / self._processes
                bucket = self._bucket(control["scope"], subject, rate)
            verdict = Verdict(
                comes_to != "block", comes_to, str(control.get("reason", "")), str(control.get("incident_id", "")), id_
            )
            return _Entry(comes_to, _NEVER if expires is None else float(expires) / 1000, verdict, bucket)
        except (KeyError, TypeError, ValueError, StopIteration):
            return None

    def _bucket(self, scope: str, subject: str, rate: float) -> Bucket:
        """The bucket of before, where there is one with this rate: a refresh must not fill it."""
        table: Mapping[str, _Entry] = getattr(self._picture, scope)
        before = table.get(subject)
        if before is not None and before.bucket is not None and before.bucket.rate_per_minute == rate:
            return before.bucket
        return Bucket(rate, self._clock())


def _rank(entry: _Entry) -> int:
    return EFFECTS.index(entry.effect)


def _refused(entry: _Entry, retry_after_s: float) -> Verdict:
    known = entry.verdict
    return Verdict(False, known.effect, known.reason, known.incident_id, known.control_id, retry_after_s)
