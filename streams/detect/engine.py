"""The detector: calls in, signals and incident events out; one ordered fold, no clock, no I/O.

Contract: `observe` takes batches in stream order; calls are stepped in (time, id) order once the watermark (largest
time minus `disorder_ms`) has passed them, so the same set of calls gives the same incidents whatever the batches, the
speed and the disorder within the bound. One detector serves one partition of a topic keyed by root agent (or run);
its state is a function of that partition only. Order within a step: 1 minute ticks, 2 identity and totals, 3 hour
block, 4 rules, 5 incident.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from streams.detect import context, fanout, loop, shape, silent, spend, storm, stuck
from streams.detect.book import shared
from streams.detect.call import FAILED, Priced, Seen
from streams.detect.clock import Clock
from streams.detect.config import HOUR_MS, MINUTE_MS
from streams.detect.crossing import crossing
from streams.detect.habit import Mark, Run
from streams.detect.incident import Event, Incident
from streams.detect.signal import Signal
from streams.detect.wider import FLEET, flood


class Detector(Clock):
    """See the module. `events` collects what the incidents did; take them with `drain`."""

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
        signal = crossing(kind, level, run, call, first, self.config, counted=counted, shaped=shaped, holder=holder)
        self._signals.append(signal)
        self.book.take(signal, run, kind == "spend_spike")
        root.frozen = True

    # -- the fleet

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
        signal = flood(self.births, call, self.config)
        self._signals.append(signal)
        self.bomb = self.book.start(FLEET, signal)
