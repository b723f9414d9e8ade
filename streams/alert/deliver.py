"""Delivers notices: plans by policy, sends, tries again; kept in the ledger, so a restart goes on where it was.

    1. plan    each notice that nothing was decided about gets a row for each channel (`targets_of`), or `unrouted`
    2. claim   before a channel is asked, `sending` with this process's mark; whoever finds a second mark stands back
    3. send    in a thread for each channel, so that one that hangs keeps no other waiting
    4. confirm `sent`, or `failed` with the moment of the next try, or `given_up`

What it promises: a notice is sent to a channel until the channel takes it or `give_up_ms` have passed, and not again
once `sent` is written. Between 3 and 4 a process may die: then the message is sent once more, with the same id.
Of one subject a channel hears in order: while an earlier notice waits, later ones wait behind it.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import structlog

from streams.alert.backoff import wait_ms
from streams.alert.channels.base import Channel, ChannelError
from streams.alert.journal import LOOK_BACK_MS, Delivery, Journal, Pending, State
from streams.alert.match import Told, targets_of
from streams.alert.message import Message, digest, one
from streams.alert.policies import Policies
from streams.errors import SpendstreamError, Unavailable

log = structlog.get_logger("spendstream.alert")

LEASE_MS: Final = 90_000
"""A `sending` row of another process is taken for dead after this: no channel takes longer (60 s) to answer."""
REMIND_MS: Final = 60_000
"""How often open alerts are said again where the receiver forgets them."""
TOGETHER: Final = 16
"""Messages that are claimed with one insert; each is confirmed by itself."""
WAIT_S: Final = 2.0
"""How long a run waits for the threads that it began; what takes longer goes on behind it."""
SILENCED: Final = "silenced"
"""A label: the change is told only to receivers that would else believe that the subject is still open."""


@dataclass(frozen=True, slots=True)
class _Job:
    """One message for one channel, and the rows that it settles."""

    message: Message
    pending: tuple[Pending, ...]


class Deliverer:
    """One process's deliverer. `run` is for one thread at a time."""

    def __init__(
        self,
        journal: Journal,
        policies: Policies,
        channels: Mapping[str, Channel],
        worker: str,
        *,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        on_outcome: Callable[[str, str], None] = lambda channel, state: None,
    ) -> None:
        """`worker`: its stable name; a claim of an earlier process of that name is known to be dead.

        `on_outcome` hears of each try of a message: its channel, and `sent`, `failed` or `given_up`.
        """
        self._on_outcome = on_outcome
        self._journal = journal
        self._policies = policies
        self._channels = channels
        self._worker = worker
        self._claim = f"{worker}/{uuid.uuid4().hex[:12]}"
        self._now_ms = now_ms
        self._since: int | None = None
        self._busy: dict[str, threading.Thread] = {}
        self._resting: dict[str, tuple[int, int]] = {}
        self._reminded: dict[str, int] = {}
        self._lock = threading.Lock()
        self._faults: list[Exception] = []
        self._settled: list[list[Delivery]] = []

    def run(self, now_ms: int) -> None:
        """Plan and send what is due. Raises `Unavailable` when the ledger is away; then nothing is lost."""
        self._raise_fault()
        self._write_settled()
        with self._lock:
            free = [name for name in self._channels if name not in self._busy]  # before the ledger is read
        since = 0 if self._since is None else now_ms - LOOK_BACK_MS
        urgent = self._plan(now_ms, since)
        # What has just opened has nothing before it: it goes before the ledger is asked what else is due.
        started = {name: self._start(name, urgent[name], now_ms) for name in free if name in urgent}
        jobs = self._jobs(now_ms, since)
        self._since = now_ms
        started |= {name: self._start(name, jobs.get(name, []), now_ms) for name in free if name not in urgent}
        deadline = time.monotonic() + WAIT_S
        for thread in started.values():
            if thread is not None:
                thread.join(max(0.0, deadline - time.monotonic()))
        self._raise_fault()

    def close(self, timeout_s: float = 5.0) -> None:
        """Wait for what is being sent; what takes longer is repeated by the next process."""
        deadline = time.monotonic() + timeout_s
        for thread in list(self._busy.values()):
            thread.join(max(0.0, deadline - time.monotonic()))

    # -- planning ------------------------------------------------------------------------------------------------

    def _plan(self, now_ms: int, since_ms: int) -> dict[str, list[_Job]]:
        """Decide about new notices; returns what has just opened and is due now, by channel."""
        notices = self._journal.unplanned(since_ms)
        if not notices:
            return {}
        # What has just opened was told to nobody: one question less for the most urgent.
        told = self._journal.told({new.subject for new in notices if new.change != "opened"}, since_ms)
        follow = [name for name in self._channels if self._reminds(name)]
        rows: list[Delivery] = []
        urgent: dict[str, list[_Job]] = {}
        for notice in notices:
            heard = told.setdefault(notice.subject, {})
            if SILENCED in notice.labels:
                following = {name: Told(True) for name in heard if name in follow}
                targets = targets_of(notice, (), following, self._channels.keys(), now_ms, follow)
            else:
                targets = targets_of(notice, self._policies.routes, heard, self._channels.keys(), now_ms, follow)
            for target in targets:
                row = Delivery(
                    notice.id, target.channel, notice.subject, 0, "planned", now_ms, target.due_ms, target.batch
                )
                rows.append(row)
                if notice.change == "opened" and not target.batch and target.due_ms <= now_ms:
                    job = _Job(one(notice), (Pending(row, target.due_ms, notice),))
                    urgent.setdefault(target.channel, []).append(job)
                before, now = heard.get(target.channel, Told(False)), not target.batch
                heard[target.channel] = Told(
                    before.at_once or now, before.paged or (now and notice.severity != "ticket")
                )
            if not targets:
                rows.append(Delivery(notice.id, "", notice.subject, 0, "unrouted", now_ms, now_ms))
            log.info(
                "notice", id=notice.id, severity=notice.severity, title=notice.title,
                channels=[target.channel for target in targets],
            )  # fmt: skip
        self._journal.write(rows)
        return urgent

    def _reminds(self, channel: str) -> bool:
        return self._channels[channel].remind_ms > 0

    # -- what is due ---------------------------------------------------------------------------------------------

    def _jobs(self, now_ms: int, since_ms: int) -> dict[str, list[_Job]]:
        jobs: dict[str, list[_Job]] = {}
        batches: dict[tuple[str, str], list[Pending]] = {}
        waiting: set[tuple[str, str]] = set()
        gone: list[Delivery] = []
        for pending in self._journal.pending(since_ms):
            row = pending.row
            if row.channel not in self._channels:
                gone.append(replace(row, state="given_up", at_ms=now_ms, error="there is no such channel any more"))
                continue
            if row.batch:
                batches.setdefault((row.channel, row.batch), []).append(pending)
                continue
            if (row.channel, row.subject) in waiting:
                continue
            waiting.add((row.channel, row.subject))
            if self._is_due(row, now_ms):
                earlier = self._journal.earlier(pending.notice, row.channel) if self._reminds(row.channel) else ()
                jobs.setdefault(row.channel, []).append(_Job(one(pending.notice, earlier), (pending,)))
        for (channel, batch), members in batches.items():
            if all(self._is_due(member.row, now_ms) for member in members):
                message = digest(batch, [member.notice for member in members])
                jobs.setdefault(channel, []).append(_Job(message, tuple(members)))
        self._journal.write(gone)
        return jobs

    def _is_due(self, row: Delivery, now_ms: int) -> bool:
        if row.state != "sending":
            return row.due_ms <= now_ms
        worker, _, _ = row.claim.rpartition("/")
        if row.claim == self._claim:
            return False  # its outcome is known here, and is written first of all
        return worker == self._worker or row.at_ms + LEASE_MS <= now_ms

    # -- sending -------------------------------------------------------------------------------------------------

    def _start(self, name: str, jobs: Sequence[_Job], now_ms: int) -> threading.Thread | None:
        with self._lock:
            _, rest_until = self._resting.get(name, (0, 0))
            if rest_until > now_ms:
                return None
            remind = self._reminds(name) and now_ms - self._reminded.get(name, 0) >= REMIND_MS
            if not jobs and not remind:
                return None
            thread = threading.Thread(
                target=self._work, args=(name, list(jobs), remind), name=f"channel-{name}", daemon=True
            )
            self._busy[name] = thread
        thread.start()
        return thread

    def _work(self, name: str, jobs: Sequence[_Job], remind: bool) -> None:
        try:
            channel = self._channels[name]
            # The first alone: while a channel is away only one message is tried each time.
            for group in (jobs[:1], *(jobs[at : at + TOGETHER] for at in range(1, len(jobs), TOGETHER))):
                if group and not self._attempt(channel, group):
                    return
            if remind:
                self._remind(channel, {pending.row.subject for job in jobs for pending in job.pending})
        except Exception as error:
            with self._lock:
                self._faults.append(error)
        finally:
            with self._lock:
                self._busy.pop(name, None)

    def _attempt(self, channel: Channel, jobs: Sequence[_Job]) -> bool:
        """One try of each message, claimed together; False when the channel should rest."""
        begun = self._now_ms()
        claimed = [
            [
                replace(p.row, attempt=p.row.attempt + 1, state="sending", at_ms=begun, claim=self._claim, error="")
                for p in job.pending
            ]
            for job in jobs
        ]
        settled, going = 0, True
        try:
            self._journal.write([row for rows in claimed for row in rows])
            contested = self._contested([row for rows in claimed for row in rows], channel.name)
            for job, rows in zip(jobs, claimed, strict=True):
                if any(row.notice in contested for row in rows):
                    wait = LEASE_MS // 2 + wait_ms(2, self._claim)
                    outcome = _failed(rows, begun, begun + wait, "another worker began it as well")
                elif going:
                    outcome, going = self._send(channel, job, rows)
                else:
                    outcome = _failed(rows, begun, begun, "not begun: the channel rests")
                settled += 1
                self._settle(outcome)
        finally:
            # Begun, not sent: else a fault of the ledger would leave behind what only a lease ends.
            for rows in claimed[settled:]:
                with self._lock:
                    self._settled.append(_failed(rows, begun, begun, "not begun: the ledger was away"))
        return going

    def _contested(self, rows: Sequence[Delivery], channel: str) -> set[str]:
        """Notices that another worker has begun, too; whoever sees two stands back, so at most one sends."""
        claims = self._journal.claims([row.notice for row in rows], channel, {r.notice: r.attempt for r in rows})
        return {notice for notice, who in claims.items() if who - {self._claim}}

    def _send(self, channel: Channel, job: _Job, rows: Sequence[Delivery]) -> tuple[list[Delivery], bool]:
        """(what became of it, whether the channel may go on)."""
        begun = rows[0].at_ms
        try:
            channel.send(job.message, begun)
        except ChannelError as error:
            return self._refused(channel.name, job, rows, error)
        except Exception as error:
            with self._lock:
                self._faults.append(error)
            return self._refused(channel.name, job, rows, ChannelError(f"unexpected {type(error).__name__}"))
        done = self._now_ms()
        self._on_outcome(channel.name, "sent")
        self._resting.pop(channel.name, None)
        log.info(
            "notice sent", channel=channel.name, id=job.message.id, attempt=rows[0].attempt,
            after_ms=done - min(pending.since_ms for pending in job.pending),
        )  # fmt: skip
        return [replace(row, state="sent", at_ms=done, due_ms=done) for row in rows], True

    def _refused(
        self, name: str, job: _Job, rows: Sequence[Delivery], error: ChannelError
    ) -> tuple[list[Delivery], bool]:
        now_ms = self._now_ms()
        over = now_ms - min(pending.since_ms for pending in job.pending) >= self._policies.give_up_ms
        wait = wait_ms(rows[0].attempt, f"{job.message.id}/{name}", error.retry_after_s)
        state: State = "given_up" if over else "failed"
        log.log(
            logging.ERROR if over else logging.WARNING, "notice given up" if over else "notice not sent",
            channel=name, id=job.message.id, attempt=rows[0].attempt, error=str(error),
            again_in_ms=None if over else wait,
        )  # fmt: skip
        self._on_outcome(name, state)
        if not error.alone:
            failures = self._resting.get(name, (0, 0))[0] + 1
            self._resting[name] = (failures, now_ms + wait_ms(failures, name, error.retry_after_s))
        outcome = [
            replace(row, state=state, at_ms=now_ms, due_ms=now_ms if over else now_ms + wait, error=str(error))
            for row in rows
        ]
        return outcome, error.alone

    def _settle(self, rows: list[Delivery]) -> None:
        with self._lock:
            self._settled.append(rows)
        self._write_settled()

    def _write_settled(self) -> None:
        """Write what is known and not yet in the ledger. Raises `Unavailable`; then it is written later."""
        while True:
            with self._lock:
                rows = self._settled[0] if self._settled else None
            if rows is None:
                return
            self._journal.write(rows)  # twice, by two threads, is once: the token is the same
            with self._lock:
                if self._settled and self._settled[0] is rows:
                    self._settled.pop(0)

    def _remind(self, channel: Channel, just_told: Collection[str]) -> None:
        now_ms = self._now_ms()
        self._reminded[channel.name] = now_ms
        standing = [
            notice
            for notice in self._journal.standing(channel.name, now_ms - channel.remind_ms)
            if notice.subject not in just_told
        ]
        if not standing:
            return
        try:
            channel.remind(standing, now_ms)
        except ChannelError as error:
            log.warning("open alerts not said again", channel=channel.name, alerts=len(standing), error=str(error))

    # -- faults --------------------------------------------------------------------------------------------------

    def _raise_fault(self) -> None:
        """What a thread met is raised where the duty's runner sees it."""
        with self._lock:
            faults, self._faults = self._faults, []
        if not faults:
            return
        others = [fault for fault in faults if not isinstance(fault, Unavailable)]
        fault = (others or faults)[0]
        if isinstance(fault, SpendstreamError):
            raise fault
        raise SpendstreamError(f"delivering notices: {fault!r}") from fault


def _failed(rows: Sequence[Delivery], at_ms: int, due_ms: int, error: str) -> list[Delivery]:
    return [replace(row, state="failed", at_ms=at_ms, due_ms=due_ms, error=error) for row in rows]
