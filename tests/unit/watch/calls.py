"""Calls and parts for the watcher's tests, and the canonical incidents of calls."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from streams.detect import Detector, Incident
from streams.evaluate.read import SeenCall
from streams.watch.order import Order
from streams.watch.record import END, Part, Rows, StepCall, code, pack
from tests.unit.detect.calls import CENT, T0, call, loop

DAY_LATER = T0 + 90 * 86_400_000
"""Wall time of a replay: what is replayed is history."""


def step(seen: SeenCall, cost: int | None = CENT) -> StepCall:
    """The same call as the steps topic carries it."""
    return StepCall(
        seen.id, seen.time, seen.agent_id, seen.request_model, seen.input_tokens, seen.output_tokens, seen.run_id,
        seen.parent_agent_id, seen.provider_name, seen.status, seen.attempt, seen.retry_of, seen.request_fingerprint,
        cost,
    )  # fmt: skip


def story() -> list[StepCall]:
    """An hour of four agents, two of which loop; every time apart."""
    calls: list[SeenCall] = []
    for number in range(400):
        fields: dict[str, Any] = {"agent_id": f"a{number % 4}", "run_id": f"ra{number % 4}-{number // 100}"}
        calls.append(call(number, number * 9_000 + number % 7, request_fingerprint=f"f{number}", **fields))
    calls += loop(30, start=600_011, first=10_000, agent_id="x", run_id="rx")
    calls += loop(40, start=1_500_023, first=20_000, agent_id="y", run_id="ry")
    return sorted((step(one) for one in calls), key=lambda one: (one.time, one.id))


def canonical(calls: Sequence[StepCall]) -> list[Incident]:
    """The incidents of calls in order, as they stand after the last call."""
    detector = Detector()
    detector.observe(calls, [one.cost_pico for one in calls])
    detector.finish()
    return states(detector, {})


def states(detector: Detector, found: dict[str, Incident]) -> list[Incident]:
    """Each incident as its last change, or, while it is open, its last call left it."""
    found |= {event.incident.id: event.incident for event in detector.drain()}
    found |= {one.id: one for one in detector.incidents}
    return sorted(found.values(), key=lambda one: (one.opened_at, one.id))


def rows(calls: Sequence[StepCall], first_offset: int) -> Rows:
    """One call a record, from an offset on."""
    columns: list[list[Any]] = [list(column) for column in zip(*(_tuple(one) for one in calls), strict=True)]
    numbers = [
        np.array([0 if value is None else value for value in columns[at]], dtype=np.int64) for at in (1, 4, 5, 10)
    ]
    cost = np.array([-1 if value is None else value for value in columns[13]], dtype=np.int64)
    return Rows(
        count=len(calls),
        offset=pack(np.arange(first_offset, first_offset + len(calls))),
        item=pack(np.zeros(len(calls), dtype=np.int64)),
        id=columns[0],
        time=pack(numbers[0]),
        agent_id=code(columns[2]),
        request_model=code(columns[3]),
        input_tokens=pack(numbers[1]),
        output_tokens=pack(numbers[2]),
        run_id=code(columns[6]),
        parent_agent_id=code(columns[7]),
        provider_name=code(columns[8]),
        status=code(columns[9]),
        attempt=pack(numbers[3]),
        retry_of=code(columns[11]),
        request_fingerprint=columns[12],
        cost=pack(cost),
    )


def _tuple(one: StepCall) -> tuple[Any, ...]:
    return tuple(getattr(one, name) for name in StepCall.__struct_fields__)


class Source:
    """A partition of the calls topic, told part by part."""

    def __init__(self, partition: int, epoch: int = 1) -> None:
        self.partition = partition
        self.epoch = epoch
        self.said: list[StepCall] = []

    def part(self, calls: Sequence[StepCall] = (), *, at_end: bool = False) -> Part:
        """The next part, with these calls."""
        after = len(self.said) - 1
        self.said += calls
        newest = max((one.time for one in self.said), default=None)
        through = (len(self.said) - 1, END)
        found = rows(calls, after + 1) if calls else None
        return Part(self.partition, 1, self.epoch, (after, END), through, newest, at_end, found)


def released(order: Order, wall_ms: int) -> list[StepCall]:
    """All that an order gives now."""
    return [one for some in order.release(wall_ms) for one in some]


def ids(calls: Iterable[StepCall]) -> list[str]:
    """Their ids."""
    return [one.id for one in calls]
