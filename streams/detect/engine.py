"""The detector: calls in, signals and incident events out; one ordered fold, no clock, no I/O.

Contract: `observe` takes batches in stream order; calls are stepped in (time, id) order once the watermark (largest
time minus `disorder_ms`) has passed them, so the same set of calls gives the same incidents whatever the batches, the
speed and the disorder within the bound. One detector serves one partition of a topic keyed by root agent (or run);
its state is a function of that partition only. Order within a step: 1 minute ticks, 2 identity and totals, 3 hour
block, 4 rules, 5 incident.
"""

from __future__ import annotations

import heapq
import pickle
from collections.abc import Iterable, Sequence
from typing import Any

from streams.detect import context, fanout, loop, shape, silent, spend, storm, stuck
from streams.detect.bomb import Births
from streams.detect.book import Book, shared
from streams.detect.call import FAILED, Priced, Seen
from streams.detect.config import HOUR_MS, MINUTE_MS, DetectConfig
from streams.detect.family import Families
from streams.detect.habit import SIGNALS, Mark, Root, Run
from streams.detect.incident import Event, Incident
from streams.detect.models import Baseline, Net
from streams.detect.order import Orderer
from streams.detect.series import TELL, SeriesScorer
from streams.detect.signal import PAGING, Signal, dollars

BILL_MS = 5 * MINUTE_MS
FLEET = "fleet"
"""The agent id of incidents that belong to no single agent."""


class Detector:
    """See the module. `events` collects what the incidents did; take them with `drain`."""

    def __init__(self, config: DetectConfig | None = None) -> None:
        self.config = config or DetectConfig()
        self.order: Orderer[Seen] = Orderer(self.config.disorder_ms)
        self.families = Families(self.config)
        self.book = Book(self.config, self.families.touched)
        self.providers: dict[str, storm.Provider] = {}
        self.births = Births()
        self.bomb: Incident | None = None
        self.prior = [Baseline(0.02) for _ in range(SIGNALS)]
        self.net = Net()
        self.clock = -(2**62)
        self.minute = -(2**62)
        self.hour = -(2**62)
        self.seen = 0
        self.bill = SeriesScorer()
        self.spent = 0
        self._deadlines: list[tuple[int, str]] = []
        self._signals: list[Signal] = []

    # -- in and out

    def observe(self, calls: Sequence[Seen], costs: Sequence[int | None]) -> list[Signal]:
        """Take a batch; give the signals of the calls whose turn came. `costs`: pico-USD, None where unpriced."""
        step = self._step
        for _, _, call, cost in self.order.push(calls, costs):
            step(call, cost)
        out, self._signals = self._signals, []
        return out

    def fold(self, calls: Iterable[Priced]) -> list[Signal]:
        """Step calls that somebody else has put in (time, id) order; `observe` does both."""
        step = self._step
        for call in calls:
            step(call, call.cost_pico)
        out, self._signals = self._signals, []
        return out

    def resolve(self, incident_id: str) -> bool:
        """An operator says that it is over: from now on its rules start afresh. False when it is not open."""
        incident = self.book.open.get(incident_id)
        if incident is None:
            return False
        self.book.resolve(incident, max(self.clock, incident.last_abnormal))
        return True

    def advance(self, now_ms: int) -> list[Signal]:
        """The log says that it is `now_ms`: step what is held and let quiet periods end. For ticks of idle partitions
        and the end of input.
        """
        for _, _, call, cost in self.order.advance(now_ms):
            self._step(call, cost)
        if now_ms > self.clock:
            self.clock = now_ms
            self._ticks(now_ms)
        out, self._signals = self._signals, []
        return out

    def finish(self) -> list[Signal]:
        """The input ended: step what is held."""
        return self.advance(self.order.highest)

    def drain(self) -> list[Event]:
        """The incident events since the last call, in order."""
        return self.book.drain()

    @property
    def incidents(self) -> list[Incident]:
        """Open incidents and those resolved a short while ago."""
        return list(self.book.open.values())

    # -- state

    def state(self) -> bytes:
        """Everything, such that `restore` goes on bit-identically."""
        kept: dict[str, Any] = {name: value for name, value in self.__dict__.items() if name != "config"}
        return pickle.dumps((1, self.config, kept), protocol=5)

    @classmethod
    def restore(cls, state: bytes) -> Detector:
        """A detector that goes on where `state` was taken. The bytes must come from `state` (they are a pickle: trust
        their source).
        """
        version, config, kept = pickle.loads(state)
        if version != 1:
            raise ValueError(f"detector state of version {version} cannot be read by version 1")
        detector = cls(config)
        detector.__dict__.update(kept)
        return detector

    # -- one call

    def _step(self, call: Seen, cost_or_none: int | None) -> None:
        config = self.config
        at = call.time
        if at > self.clock:
            self.clock = at
            if at >= self.minute + MINUTE_MS:
                self._ticks(at)
        cost = cost_or_none or 0
        agent_id, run_id = call.agent_id, call.run_id
        self.seen += 1
        self.spent += cost
        families = self.families
        run = families.runs.get(run_id) if run_id is not None else families.lone.get(agent_id)
        if run is None:
            run = families.begin(call, cost, self._born)
        if call.parent_agent_id is not None and agent_id == run.owner and call.parent_agent_id != agent_id:
            run = families.rehome(run, call, cost, self._born)
        root = run.root
        families.touched.add(root.key)
        if at > root.last_ms:
            if at - root.last_ms > 60_000:
                silent.note(root, at)
                if root.incident is not None and root.incident.kind == "silent_agent":
                    self.book.resolve(root.incident, at)
                    root.incident = None
            root.last_ms = at
        root.calls += 1
        root.cost += cost
        if root.calls == 2:
            self.births.second(root.first_ms)
        run.last_ms = at
        run.calls += 1
        run.cost += cost
        hour = at // HOUR_MS
        if hour > root.block:
            self._close(root, hour)

        # rules; each gives its level over its limit
        holder: Any = run
        if agent_id != run.owner:
            members = run.members
            holder = members.get(agent_id) if members is not None else None
            if holder is None:
                found = fanout.join(run, call, cost, config)
                holder = run.members[agent_id]  # type: ignore[index]
                if found >= 0.5:
                    few = run.lone_kids <= 0.8 * run.kids
                    if few or run.kids >= config.bomb_agents / 2:
                        self._crossed("fan_out" if few else "cardinality", found, run, call, run.fan_first)
        status = call.status
        provider_name = call.provider_name
        if provider_name is not None or status in FAILED:
            provider = self.providers.get(provider_name or "")
            if provider is None:
                provider = self.providers[provider_name or ""] = {}
            found = storm.level(run, call, cost, provider, config)
            storm.note(provider, root, at)
            if found >= 0.5:
                self._crossed("retry_storm", found, run, call, run.storm_first)
        if status is None or status == "ok":
            attempt = call.attempt
            if (attempt is None or attempt == 1) and call.retry_of is None:
                found = loop.level(run, call, cost, config)
                if found >= 0.5:
                    self._crossed("loop", found, run, call, run.loop_first)
                elif run_id is None:
                    found = loop.count_level(run, call, cost, config)
                    if found >= 0.5:
                        self._crossed("loop", found, run, call, run.count_first, counted=True)
                if agent_id == run.owner:
                    found = shape.level(run, call, cost, config)
                    if found >= 0.5:
                        self._crossed("loop", found, run, call, run.shape_first, shaped=True)
            found = context.level(run, holder, call, cost, config)
            if found >= 0.5:
                self._crossed("context_growth", found, run, call, holder.climb.first, holder=holder)
        if cost:
            found = stuck.level(run, config)
            if found >= 1.0:
                self._crossed("stuck_run", found, run, call, (call.id, run.first_ms, 0, 0))
            found = spend.level(root, run, call, cost, config)
            if found >= 0.5:
                self._crossed("spend_spike", found, run, call, root.spend_first)
        incident = run.incident
        if incident is not None:
            self.book.count(incident, run)

    def _crossed(
        self,
        kind: str,
        level: float,
        run: Run,
        call: Seen,
        first: Mark | None,
        *,
        counted: bool = False,
        shaped: bool = False,
        holder: Any = None,
    ) -> None:
        """Slow path: a level at half its limit or more. Keeps an open incident alive; at 1, opens one or adds to it."""
        root = run.root
        incident = run.incident or shared(run, kind)
        if incident is not None:
            incident.last_abnormal = max(incident.last_abnormal, call.time)
            if kind in incident.kinds:
                return
        if level < 1.0 or first is None:
            return
        config = self.config
        if kind == "loop":
            evidence = (
                loop.describe_count(run, call, config)
                if counted
                else shape.describe(run, call, config)
                if shaped
                else loop.describe(run, call, config)
            )
        elif kind == "retry_storm":
            evidence = storm.describe(run, call, config)
        elif kind in ("fan_out", "cardinality"):
            evidence = fanout.describe(run, call, config)
        elif kind == "context_growth":
            evidence = context.describe(run, holder, call, config)
        elif kind == "spend_spike":
            evidence = spend.describe(root, call, config)
        else:
            evidence = stuck.describe(run)
        whole = kind == "spend_spike"
        calls, cost = (root.calls, root.cost) if whole else (run.calls, run.cost)
        signal = Signal(
            kind=kind,
            agent_id=root.key,
            run_id=None if whole else run.run_id,
            call_id=call.id,
            time=call.time,
            first_call_id=first[0],
            first_time=first[1],
            calls=calls - first[2],
            cost=cost - first[3],
            score=level,
            ready=root.ready(config),
            page=kind in PAGING,
            evidence=evidence,
        )
        self._signals.append(signal)
        self.book.take(signal, run, whole)
        root.frozen = True

    # -- time

    def _close(self, root: Root, hour: int) -> None:
        zs = root.close_block(self.prior, self.config)
        root.block = hour
        root.gap_ms *= 0.99
        if not root.watched and root.blocks >= self.config.silent_blocks:
            root.watched = True
            heapq.heappush(self._deadlines, (root.last_ms + HOUR_MS, root.key))
        if root.blocks > 3:
            score, ready = self.net.score(zs)
            hot = sum(1 for z in zs.values() if z >= 2.0)
            if ready and hot >= 2 and score > self.net.limit() and root.incident is None and not root.frozen:
                self._net_signal(root, zs, score)
            if hot or (root.calls + hour) % 5 == 0:
                self.net.learn(zs, score, ready)

    def _net_signal(self, root: Root, zs: dict[str, float], score: float) -> None:
        top = sorted(zs.items(), key=lambda item: -item[1])[:3]
        words = ", ".join(f"{name} {z:+.1f} sd" for name, z in top)
        start = root.block * HOUR_MS
        signal = Signal(
            kind="unusual",
            agent_id=root.key,
            run_id=None,
            call_id=f"{root.key}@{start}",
            time=self.clock,
            first_call_id=f"{root.key}@{start}",
            first_time=start,
            calls=0,
            cost=0,
            score=score / max(self.net.limit(), 1e-9),
            ready=root.ready(self.config),
            page=False,
            evidence=f"an hour unlike its own and the fleet's ({words}); score {score:.2f}",
        )
        self._signals.append(signal)
        self.book.start(root.key, signal)

    def _ticks(self, at: int) -> None:
        """Once an event-time minute: quiet incidents resolve, silent agents are noticed, idle runs are forgotten."""
        minute = at - at % MINUTE_MS
        if minute <= self.minute:
            return
        step = minute // BILL_MS
        if step > self.minute // BILL_MS and self.minute > 0:
            self._bill(self.minute // BILL_MS, step)
        self.minute = minute
        self.book.tick(minute)
        due = self._deadlines
        while due and due[0][0] <= minute:
            _, key = heapq.heappop(due)
            root = self.families.root(key)
            if root is None:
                continue
            deadline = silent.deadline(root, self.config)
            if deadline is None:
                root.watched = False
                self.families.touched.add(key)
                continue
            if deadline > minute:
                heapq.heappush(due, (deadline, key))
                continue
            root.watched = False
            self.families.touched.add(key)
            if root.incident is None:
                self._silent(root, deadline)
        hour = minute // HOUR_MS
        if hour > self.hour:
            self.hour = hour
            self.families.forget(hour * HOUR_MS - self.config.run_idle_ms)

    def _silent(self, root: Root, at: int) -> None:
        mark = f"{root.key}@{root.last_ms}"
        signal = Signal(
            kind="silent_agent",
            agent_id=root.key,
            run_id=None,
            call_id=mark,
            time=at,
            first_call_id=mark,
            first_time=root.last_ms,
            calls=0,
            cost=0,
            score=1.0,
            ready=True,
            page=False,
            evidence=silent.describe(root, at),
        )
        self._signals.append(signal)
        root.incident = self.book.start(root.key, signal)

    # -- the fleet

    def _bill(self, step: int, now: int) -> None:
        """The whole bill in five-minute steps, empty ones included (two days of them at most)."""
        spent, self.spent = self.spent, 0
        score, at = self.bill(step * BILL_MS, float(spent)), step
        for empty in range(max(step + 1, now - 576), now):
            self.bill(empty * BILL_MS, 0.0)
        if score >= TELL and spent >= self.config.spend_min:
            signal = Signal(
                kind="spend_spike",
                agent_id=FLEET,
                run_id=None,
                call_id=f"{FLEET}@{at * BILL_MS}",
                time=(at + 1) * BILL_MS,
                first_call_id=f"{FLEET}@{at * BILL_MS}",
                first_time=at * BILL_MS,
                calls=0,
                cost=spent,
                score=score / TELL,
                ready=True,
                page=False,
                evidence=f"all agents together spent {dollars(spent)} in five minutes, unlike their own days so far",
            )
            self._signals.append(signal)
            self.book.start(FLEET, signal)

    def _born(self, call: Seen, cost: int) -> None:
        """A new root agent: one more that may be the old one under another name."""
        births = self.births
        births.birth(call.id, call.time, cost)
        level = births.level(self.config)
        bomb = self.bomb
        if bomb is not None and bomb.state == "open":
            bomb.calls, bomb.cost = births.calls, births.cost
            if level >= 0.5:
                bomb.last_abnormal = call.time
        elif level >= 1.0:
            self._bomb(call)

    def _bomb(self, call: Seen) -> None:
        births, config = self.births, self.config
        assert births.first is not None
        first = births.first
        signal = Signal(
            kind="cardinality",
            agent_id=FLEET,
            run_id=None,
            call_id=call.id,
            time=call.time,
            first_call_id=first[0],
            first_time=first[1],
            calls=births.calls,
            cost=births.cost,
            score=births.level(config),
            ready=True,
            page=True,
            evidence=births.describe(),
        )
        self._signals.append(signal)
        self.bomb = self.book.start(FLEET, signal)
