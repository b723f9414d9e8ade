"""What people use today, run on the same calls: fixed thresholds, budget alerts, OpenHands' stuck rules.

All group alarms as the detector does (one a run or agent until thirty quiet minutes), so that the comparison is of
the rules, not of the grouping. The fixed thresholds are tuned on the very labels they are judged by: a generous
comparison.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from streams.detect.call import FAILED
from streams.evaluate.alarms import Alarm
from streams.evaluate.match import Truth, match
from streams.evaluate.read import SeenCall

QUIET_MS = 1_800_000
GRID: dict[str, tuple[float, ...]] = {
    "loop": (4, 6, 8, 12, 16, 24, 40, 80),  # the same request within ten minutes
    "retry_storm": (5, 8, 11, 14, 17, 20),  # failures among the last twenty calls
    "fan_out": (12, 20, 30, 45, 60, 90),  # children within an hour
    "context_growth": (60e3, 100e3, 130e3, 150e3, 170e3, 190e3),  # tokens in one call
    "spend_spike": (2e12, 5e12, 10e12, 20e12, 40e12, 80e12),  # pico-USD in an hour
    "rate": (30, 60, 100, 200, 400),  # calls in a minute
}


@dataclass(frozen=True, slots=True)
class Reading:
    """A rule's figure on one call, where it reaches the lowest threshold of the grid."""

    rule: str
    value: float
    key: str
    agent_id: str
    run_id: str | None
    at: int


def readings(calls: Sequence[SeenCall], costs: Sequence[int | None]) -> list[Reading]:
    """One pass over the calls (in time order) for all rules."""
    out: list[Reading] = []
    same: dict[str, tuple[int, dict[str, int]]] = {}
    failures: dict[str, deque[bool]] = defaultdict(lambda: deque(maxlen=20))
    kids: dict[str, tuple[int, set[str]]] = {}
    hours: dict[str, list[int]] = {}
    minutes: dict[str, deque[int]] = defaultdict(deque)
    for call, cost in zip(calls, costs, strict=True):
        at, agent = call.time, (call.parent_agent_id or call.agent_id).split("/")[0]
        key = call.run_id or agent

        def read(rule: str, value: float, *, key: str = key, agent: str = agent, call: SeenCall = call) -> None:
            if value >= GRID[rule][0]:
                out.append(Reading(rule, value, key, agent, call.run_id, call.time))

        if call.request_fingerprint is not None:
            window = same.get(key)
            if window is None or at - window[0] > 600_000:
                window = same[key] = (at, {})
            count = window[1][call.request_fingerprint] = window[1].get(call.request_fingerprint, 0) + 1
            read("loop", count)
        recent = failures[key]
        recent.append(call.status in FAILED)
        if recent[-1]:
            read("retry_storm", sum(recent))
        if call.parent_agent_id is not None:
            born = kids.get(key)
            if born is None or at - born[0] > 3_600_000:
                born = kids[key] = (at, set())
            born[1].add(call.agent_id)
            read("fan_out", len(born[1]))
        read("context_growth", call.input_tokens)
        if cost:
            spent = hours.get(agent)
            if spent is None or at - spent[0] > 3_600_000:
                spent = hours[agent] = [at, 0]
            spent[1] += cost
            read("spend_spike", spent[1], key=agent)
        beat = minutes[key]
        beat.append(at)
        while beat[0] <= at - 60_000:
            beat.popleft()
        read("rate", len(beat))
    return out


def grouped(found: Sequence[tuple[str, str, str, str | None, int]]) -> list[Alarm]:
    """Crossings (kind, key, agent, run, time) as alarms: one a key until thirty quiet minutes."""
    last: dict[str, int] = {}
    out: list[Alarm] = []
    for kind, key, agent, run, at in found:
        if at - last.get(key, -(2**62)) > QUIET_MS:
            out.append(Alarm(kind, agent, (run,) if run is not None and key == run else (), at, True))
        last[key] = at
    return out


def alarms_at(found: Sequence[Reading], thresholds: Mapping[str, float]) -> list[Alarm]:
    """The alarms of the rules in `thresholds`."""
    return grouped(
        [
            ("spend_spike" if r.rule == "rate" else r.rule, r.key, r.agent_id, r.run_id, r.at)
            for r in found
            if r.value >= thresholds.get(r.rule, 2.0**62)
        ]
    )


def tuned(found: Sequence[Reading], labelled: Sequence[Truth]) -> dict[str, float]:
    """Thresholds that give the best F1 on these labels, added greedily rule by rule."""
    chosen: dict[str, float] = {}
    best = 0.0
    while True:
        step: tuple[float, str, float] | None = None
        for rule, grid in GRID.items():
            if rule in chosen:
                continue
            for threshold in grid:
                score = f1(alarms_at(found, {**chosen, rule: threshold}), labelled)
                if score > best + 1e-9 and (step is None or score > step[0]):
                    step = (score, rule, threshold)
        if step is None:
            return chosen
        best, chosen[step[1]] = step[0], step[2]


def f1(alarms: Sequence[Alarm], labelled: Sequence[Truth]) -> float:
    """Harmonic mean of alarm precision and label recall."""
    matched = match(alarms, labelled)
    hits = sum(1 for found in matched.labels if found.alarm is not None)
    if not hits:
        return 0.0
    precision, recall = matched.true / max(1, len(alarms)), hits / len(matched.labels)
    return 2 * precision * recall / (precision + recall)


def naive() -> dict[str, float]:
    """Round figures of the kind that people start with."""
    return {"rate": 60, "retry_storm": 5, "fan_out": 20, "context_growth": 150e3, "spend_spike": 10e12, "loop": 12}


def budget(calls: Sequence[SeenCall], costs: Sequence[int | None], factor: float = 3.0) -> list[Alarm]:
    """An alert when an agent's day has cost `factor` times its own mean day (from its second day on), once a day."""
    today: dict[str, tuple[int, int]] = {}
    past: dict[str, list[int]] = defaultdict(list)
    out: list[Alarm] = []
    told: set[tuple[str, int]] = set()
    for call, cost in zip(calls, costs, strict=True):
        agent = (call.parent_agent_id or call.agent_id).split("/")[0]
        day = call.time // 86_400_000
        known = today.get(agent)
        if known is None or known[0] != day:
            if known is not None:
                past[agent].append(known[1])
            known = (day, 0)
        known = today[agent] = (day, known[1] + (cost or 0))
        days = past.get(agent)
        if days and (agent, day) not in told and known[1] > factor * sum(days) / len(days) > 0:
            told.add((agent, day))
            out.append(Alarm("spend_spike", agent, (), call.time, True))
    return out


def openhands(calls: Sequence[SeenCall]) -> list[Alarm]:
    """OpenHands' stuck detector on what metering sees: four identical steps, three identical failing steps, six
    alternating steps.

    Its fourth rule (three identical messages) needs texts, which are never read.
    """
    steps: dict[str, deque[tuple[str, bool]]] = defaultdict(lambda: deque(maxlen=6))
    crossings: list[tuple[str, str, str, str | None, int]] = []
    for call in calls:
        if call.request_fingerprint is None:
            continue
        key = call.run_id or call.agent_id
        last = steps[key]
        last.append((call.request_fingerprint, call.status in FAILED))
        row = list(last)
        same4 = len(row) >= 4 and len(set(row[-4:])) == 1
        fail3 = len(row) >= 3 and len(set(row[-3:])) == 1 and row[-1][1]
        turn6 = len(row) == 6 and row[0] != row[1] and row[0] == row[2] == row[4] and row[1] == row[3] == row[5]
        if same4 or fail3 or turn6:
            agent = (call.parent_agent_id or call.agent_id).split("/")[0]
            crossings.append(("retry_storm" if row[-1][1] else "loop", key, agent, call.run_id, call.time))
    return grouped(crossings)
