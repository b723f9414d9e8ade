"""Set alarms against labels: which runaway was found, by what, when, and which alarms are false.

An alarm finds a label when it names its run (or its agent, where label or alarm has no run) and comes between the first abnormal call
and ten minutes after the last. Labels of scope `session` or `step` (recorded sets) have no times: the run decides.
"""

from __future__ import annotations

from collections import defaultdict
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


def match(alarms: Sequence[Alarm], labels: Sequence[Mapping[str, Any]], calls: Sequence[SeenCall],
          costs: Sequence[int | None]) -> Matched:
    """Match paging (or all given) alarms to labels. Calls in time order."""
    wanted = {i for label in labels for i in label.get("call_ids", ())} | {
        str(label["first_call_id"]) for label in labels if "first_call_id" in label}
    where = {call.id: n for n, call in enumerate(calls) if call.id in wanted}
    by_run: dict[str, list[int]] = defaultdict(list)
    runs = {str(label["run_id"]) for label in labels if label.get("run_id")}
    for number, call in enumerate(calls):
        if call.run_id in runs and call.run_id is not None:
            by_run[call.run_id].append(number)
    out = Matched()
    used: set[int] = set()
    for label in labels:
        if label.get("scope") == "benign":
            out.outages += 1
            continue
        timed = "start" in label and "end" in label
        if timed:
            inside = [where[i] for i in label["call_ids"]]
            low, high = int(label["start"]), int(label["end"]) + GRACE_MS
        else:
            inside = by_run.get(str(label.get("run_id")), [])
            start = where.get(str(label.get("first_call_id")))
            # a session is abnormal as a whole; a step label from its first step on
            inside = [n for n in inside if start is None or n >= start]
            low, high = -(2**62), 2**62
        found = Found(str(label["label"]), str(label.get("grade", "")), bool(label.get("cold")), bool(label.get("second")),
                      sum(costs[n] or 0 for n in inside))
        hits = [n for n, alarm in enumerate(alarms) if low <= alarm.at <= high and same(alarm, label)]
        used.update(hits)
        if hits:
            first = min(hits, key=lambda n: alarms[n].at)
            alarm = alarms[first]
            before = [n for n in inside if calls[n].time <= alarm.at]
            found.alarm, found.pages = alarm, sum(alarms[n].pages for n in hits)
            found.delay_calls = len(before)
            found.delay_ms = max(0, alarm.at - calls[inside[0]].time) if inside else 0
            found.delay_cost = sum(costs[n] or 0 for n in before)
        out.labels.append(found)
    for number, alarm in enumerate(alarms):
        if number in used:
            out.true += 1
            continue
        out.false.append(alarm)
    for label in labels:
        if label.get("scope") == "benign":
            out.storms_in_outages += sum(
                1 for alarm in out.false
                if alarm.kind == "retry_storm" and label["start"] <= alarm.at <= label["end"] + GRACE_MS)
    return out


def same(alarm: Alarm, label: Mapping[str, Any]) -> bool:
    """Whether the alarm names what the label names."""
    run = label.get("run_id")
    if run is not None and alarm.runs:
        return run in alarm.runs
    agent = label.get("agent_id")
    if run is not None and agent is None:
        return alarm.agent_id == run
    return alarm.agent_id == agent
