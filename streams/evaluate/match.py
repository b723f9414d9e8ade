"""Set alarms against labels: which runaway was found, by what, when, and which alarms are false.

An alarm finds a label when it names its run (or its agent, where label or alarm has no run) and comes between the
first abnormal call and ten minutes after the last. Labels of scope `session` or `step` (recorded sets) have no times:
the run decides.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from streams.evaluate.alarms import Alarm
from streams.evaluate.read import SeenCall

GRACE_MS = 600_000


@dataclass(slots=True)
class Found:
    """One label and what found it. `delay_*` run from the first abnormal call to the alarm; cost in pico-USD."""

    kind: str
    grade: str
    cold: bool
    second: bool
    total_cost: int
    alarm: Alarm | None = None
    pages: int = 0
    delay_calls: int = 0
    delay_ms: int = 0
    delay_cost: int = 0


@dataclass(slots=True)
class Matched:
    """All labels, and the alarms that match none."""

    labels: list[Found] = field(default_factory=list)
    false: list[Alarm] = field(default_factory=list)
    true: int = 0
    storms_in_outages: int = 0
    outages: int = 0
    true_kinds: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class Truth:
    """One label with its abnormal calls: their times and costs (in time order), and when an alarm may come."""

    label: Mapping[str, Any]
    times: list[int]
    costs: list[int]
    low: int
    high: int


def truths(labels: Sequence[Mapping[str, Any]], calls: Sequence[SeenCall], costs: Sequence[int | None]) -> list[Truth]:
    """Look the labels' calls up, once. Calls in time order."""
    wanted = {i for label in labels for i in label.get("call_ids", ())} | {
        str(label["first_call_id"]) for label in labels if "first_call_id" in label
    }
    where = {call.id: n for n, call in enumerate(calls) if call.id in wanted}
    by_run: dict[str, list[int]] = defaultdict(list)
    runs = {str(label["run_id"]) for label in labels if label.get("run_id")}
    for number, call in enumerate(calls):
        if call.run_id is not None and call.run_id in runs:
            by_run[call.run_id].append(number)
    out: list[Truth] = []
    for label in labels:
        low, high = -(2**62), 2**62
        inside: list[int] = []
        if "start" in label and "end" in label:
            # a call of the label may be missing: lost, refused as bad, beyond the end of a shortened file
            inside = [where[i] for i in label.get("call_ids", ()) if i in where]
            low, high = int(label["start"]), int(label["end"]) + GRACE_MS
        else:
            # a session is abnormal as a whole, a step label from its first step on
            first = where.get(str(label.get("first_call_id")), 0)
            inside = [n for n in by_run.get(str(label.get("run_id")), ()) if n >= first]
        out.append(Truth(label, [calls[n].time for n in inside], [costs[n] or 0 for n in inside], low, high))
    return out


def match(alarms: Sequence[Alarm], labelled: Sequence[Truth]) -> Matched:
    """Match alarms (those that page, usually) to labels."""
    out = Matched()
    used: set[int] = set()
    told: set[str] = set()  # a false incident that opens again is one false incident
    for truth in labelled:
        label = truth.label
        if label.get("scope") == "benign":
            out.outages += 1
            continue
        found = Found(
            str(label["label"]),
            str(label.get("grade", "")),
            bool(label.get("cold")),
            bool(label.get("second")),
            sum(truth.costs),
        )
        hits = [n for n, alarm in enumerate(alarms) if truth.low <= alarm.at <= truth.high and same(alarm, label)]
        used.update(hits)
        if hits:
            alarm = alarms[min(hits, key=lambda n: alarms[n].at)]
            before = bisect_right(truth.times, alarm.at)
            found.alarm, found.pages, found.delay_calls = alarm, len(hits), before
            found.delay_ms = max(0, alarm.at - truth.times[0]) if truth.times else 0
            found.delay_cost = sum(truth.costs[:before])
        out.labels.append(found)
    for number, alarm in enumerate(alarms):
        if number in used:
            out.true += 1
            out.true_kinds[alarm.kind] += 1
        elif not alarm.incident or alarm.incident not in told:
            told.add(alarm.incident)
            out.false.append(alarm)
    for truth in labelled:
        if truth.label.get("scope") == "benign":
            out.storms_in_outages += sum(
                alarm.kind == "retry_storm" and truth.low <= alarm.at <= truth.high for alarm in out.false
            )
    return out


def same(alarm: Alarm, label: Mapping[str, Any]) -> bool:
    """Whether the alarm names what the label names."""
    run = label.get("run_id")
    if run is not None and alarm.runs:
        return str(run) in alarm.runs
    agent = label.get("agent_id")
    if run is not None and agent is None:
        return alarm.agent_id == str(run)
    return bool(alarm.agent_id == agent)
