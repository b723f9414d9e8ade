"""Put a fleet through some days: normal work, look-alikes, runaways; calls come out in time order, labels apart.

Contract: the same arguments give the same calls and labels (to the last bit of the platform's exp and cos); labels
are complete once the calls are exhausted. Days are generated one by one, so memory holds one day of calls. Each agent
has a random stream of its own.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field

from streams.simulate.fleet import DAY_MS, EPOCH_MS, HOUR_MS, MODELS, Agent, kinds_of, make_agent
from streams.simulate.labels import Label, Outage
from streams.simulate.runaways import (
    GRADES,
    KINDS,
    context_growth,
    day_long_loop,
    fan_out,
    loop,
    retry_storm,
    spend_spike,
)
from streams.simulate.traffic import Row, hour_weight, one_run, polls

RUNAWAYS_A_DAY = 12
DAY_LONG = 3
"""Day-long loops, each with a second runaway after it (where there are at least four days for them)."""


@dataclass(slots=True)
class Change:
    """A benign change in the life of an agent: from `start` on (till `end`) its traffic, prompts or model differ."""

    start: int
    end: int
    traffic: float = 1.0
    scale: float = 1.0
    model: str | None = None


@dataclass(slots=True)
class Simulation:
    """Iterate to get the calls; then read `labels` and `outages`."""

    seed: int
    days: int
    agents: int = 240
    labels: list[Label] = field(default_factory=list)
    outages: list[Outage] = field(default_factory=list)
    _fleet: list[Agent] = field(default_factory=list)
    _changes: dict[str, list[Change]] = field(default_factory=dict)
    _pending: list[Row] = field(default_factory=list)
    _runs: int = 0

    def __iter__(self) -> Iterator[Row]:
        self.labels.clear()
        self.outages.clear()
        self._runs = 0
        rng = random.Random(f"{self.seed}/world")
        self._found(rng)
        self._pending = self._runaways(rng)
        streams = {agent.name: random.Random(f"{self.seed}/{agent.name}") for agent in self._fleet}
        number = 0
        for day in range(self.days):
            begin, end = EPOCH_MS + day * DAY_MS, EPOCH_MS + (day + 1) * DAY_MS
            rows = self._pending
            for agent in self._fleet:
                rows.extend(self._normal_day(streams[agent.name], agent, begin, end))
            rows.sort(key=lambda row: row["time"])
            cut = next((i for i, row in enumerate(rows) if row["time"] >= end), len(rows))
            self._pending = rows[cut:]
            for row in rows[:cut]:
                yield self._emit(row, number)
                number += 1
        self.labels[:] = [label for label in self.labels if label.calls]

    def _emit(self, row: Row, number: int) -> Row:
        row["id"] = f"sim{self.seed}-{number:07d}"
        label = row.pop("_label", None)
        if label is not None:
            self.labels[label].add(row["id"], row["time"])
        _, _, price_in, price_out = MODELS[row["request_model"]]
        micro = row["input_tokens"] * price_in + row["output_tokens"] * price_out  # micro-USD
        row["reported_cost"] = f"{micro / 1e6:.9f}" if row["status"] == "ok" or row["output_tokens"] else "0"
        return row

    def _run_id(self, agent: Agent) -> str | None:
        self._runs += 1
        return f"{agent.name}/r{self._runs}" if agent.has_runs else None

    def _faulty(self, provider: str, at: int) -> float:
        return max((o.rate for o in self.outages if o.provider == provider and o.start <= at < o.end), default=0.0)

    def _found(self, rng: random.Random) -> None:
        """Draw the fleet, its outages and its benign changes."""
        self._fleet = []
        for number, kind in enumerate(kinds_of(rng, self.agents)):
            late = self.days > 1 and rng.random() < 0.15
            born = EPOCH_MS + (int(rng.uniform(0.5, self.days - 0.5) * DAY_MS) if late else 0)
            self._fleet.append(make_agent(rng, number, kind, born))
        for _ in range(max(1, self.days // 2)):
            start = EPOCH_MS + int(rng.uniform(0.3, self.days) * DAY_MS)
            length = int(rng.uniform(5, 40) * 60_000)
            self.outages.append(
                Outage(rng.choice(("openai", "anthropic", "google")), start, start + length, rng.uniform(0.3, 0.95))
            )
        self._changes = {}
        for agent in self._fleet:
            changes: list[Change] = []
            if agent.kind == "chat" and rng.random() < 0.25:  # a marketing peak
                start = EPOCH_MS + int(rng.uniform(0.5, self.days) * DAY_MS)
                changes.append(Change(start, start + int(rng.uniform(1, 5) * HOUR_MS), traffic=rng.uniform(2, 5)))
            if rng.random() < 0.15:  # a deploy with longer prompts
                start = EPOCH_MS + int(rng.uniform(0.5, self.days) * DAY_MS)
                changes.append(Change(start, EPOCH_MS + (self.days + 1) * DAY_MS, scale=rng.uniform(1.2, 1.8)))
            if rng.random() < 0.06:  # moved to another model
                start = EPOCH_MS + int(rng.uniform(0.5, self.days) * DAY_MS)
                changes.append(Change(start, EPOCH_MS + (self.days + 1) * DAY_MS, model=rng.choice(sorted(MODELS))))
            if agent.kind == "batch" and rng.random() < 0.3:  # a backfill
                start = EPOCH_MS + int(rng.uniform(0.5, self.days) * DAY_MS)
                changes.append(Change(start, start + DAY_MS, traffic=rng.uniform(2, 4)))
            self._changes[agent.name] = changes

    def _normal_day(self, rng: random.Random, agent: Agent, begin: int, end: int) -> list[Row]:
        start = max(begin, agent.born_ms)
        if start >= end:
            return []
        if agent.kind == "poller":
            return polls(rng, agent, start, end)
        rows: list[Row] = []
        weekend = (begin // DAY_MS + 3) % 7 >= 5 and agent.kind in ("coding", "research", "orchestrator")
        share = (end - start) / DAY_MS * (0.3 if weekend else 1.0)
        peak = max([c.traffic for c in self._changes[agent.name] if c.start < end and c.end > begin], default=1.0)
        count = agent.runs_a_day * share * peak * 2.0
        wanted = int(count) + (rng.random() < count % 1)
        if agent.kind == "batch":
            wanted = max(1, round(peak)) if share > 0.5 else 0
        for _ in range(wanted):
            at = start + int(rng.random() * (end - start))
            if agent.kind == "batch":
                at = begin + agent.peak_hour * HOUR_MS + rng.randrange(int(0.6 * HOUR_MS))
            traffic, scale, model = 1.0, 1.0, None
            for change in self._changes[agent.name]:
                if change.start <= at < change.end:
                    traffic, scale, model = traffic * change.traffic, scale * change.scale, change.model or model
            # thinning: the day was filled for its peak hour
            if agent.kind != "batch" and rng.random() * 2.0 * peak > hour_weight(agent, at) * traffic:
                continue
            rows.extend(one_run(rng, agent, at, self._run_id(agent), self._faulty, scale=scale, model=model))
        return rows

    def _runaways(self, rng: random.Random) -> list[Row]:
        """Place the runaways: a quarter of them on agents without history, the rest after half of the days at the
        latest.
        """
        rows: list[Row] = []
        old = [a for a in self._fleet if a.born_ms == EPOCH_MS and a.kind not in ("poller",)]
        rng.shuffle(old)
        wanted = [(kind, grade) for kind in KINDS for grade in GRADES]
        count = round(RUNAWAYS_A_DAY * self.days * self.agents / 240)
        for number in range(count):
            kind, grade = wanted[number % len(wanted)]
            cold = kind != "spend_spike" and rng.random() < 0.31  # a quarter of all
            agent = self._victim(rng, old, kind, cold, number)
            if agent is None:
                continue
            early = 0.1 if cold else min(2.0, self.days / 2)
            at = EPOCH_MS + int(rng.uniform(early, self.days - 0.1) * DAY_MS)
            if cold:
                agent = _reborn(agent, at)
                self._fleet.append(agent)
                self._changes[agent.name] = []
            rows.extend(self._one(rng, agent, kind, grade, at, cold))
        if self.days >= 4:
            for _ in range(round(DAY_LONG * self.agents / 240)):
                agent = self._victim(rng, old, "loop", False, 0)
                if agent is None:
                    break
                at = EPOCH_MS + int(rng.uniform(1.5, 2.2) * DAY_MS)
                first = self._label("loop", agent, "medium", False)
                second = self._label("loop", agent, "medium", False)
                self.labels[second].second = True
                runs = (self._run_id(agent), self._run_id(agent))
                self.labels[first].run_id, self.labels[second].run_id = runs
                rows.extend(day_long_loop(rng, agent, at, runs, (first, second), self._faulty))
        return rows

    def _victim(self, rng: random.Random, old: list[Agent], kind: str, cold: bool, number: int) -> Agent | None:
        if cold:
            return make_agent(
                rng, 900 + number, rng.choice(("chat", "coding", "research", "orchestrator", "service")), 0
            )
        if kind == "spend_spike":  # somebody who spends something: four cents a day more wakes nobody
            rich = [n for n, agent in enumerate(old) if agent.dollars_a_day >= 2.0]
            return old.pop(rich[0]) if rich else None
        for position, agent in enumerate(old):
            if kind in ("fan_out", "context_growth") and agent.kind not in (
                "coding",
                "research",
                "orchestrator",
                "chat",
            ):
                continue
            return old.pop(position)
        return None

    def _label(self, kind: str, agent: Agent, grade: str, cold: bool) -> int:
        self.labels.append(Label(kind, agent.name, None, grade, cold))
        return len(self.labels) - 1

    def _one(self, rng: random.Random, agent: Agent, kind: str, grade: str, at: int, cold: bool) -> list[Row]:
        label = self._label(kind, agent, grade, cold)
        if kind == "spend_spike":
            return spend_spike(rng, agent, at, None, grade, label, self._faulty, lambda: self._run_id(agent))
        run = self._run_id(agent)
        self.labels[label].run_id = run
        make = {"loop": loop, "retry_storm": retry_storm, "fan_out": fan_out, "context_growth": context_growth}[kind]
        return make(rng, agent, at, run, grade, label, self._faulty)


def _reborn(agent: Agent, at: int) -> Agent:
    """The same habits, born moments before `at`."""
    from dataclasses import replace

    return replace(agent, name=f"new-{agent.name}", born_ms=at)
