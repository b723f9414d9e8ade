"""Calls for the detector's tests."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from streams.detect import DetectConfig, Detector, Event
from streams.evaluate.read import SeenCall

T0 = 1_772_409_600_000  # 2026-03-02T00:00:00Z
MINUTE = 60_000
HOUR = 60 * MINUTE
CENT = 10**10


def call(number: int, at: int, **fields: Any) -> SeenCall:
    """An ordinary call at `at` milliseconds after T0, of agent `a`, without run or fingerprint unless given."""
    values: dict[str, Any] = {
        "agent_id": "a", "request_model": "m", "provider_name": "p", "input_tokens": 1000 + 97 * (number % 13),
        "output_tokens": 100 + 31 * (number % 7), "status": "ok",
    }  # fmt: skip
    values.update(fields)
    return SeenCall(id=f"c{number:07d}", time=T0 + at, **values)


def run(
    calls: Sequence[SeenCall], config: DetectConfig | None = None, *, cost: int = CENT, batch: int = 100
) -> list[Event]:
    """All incident events of the calls, each of which costs `cost`; two hours of silence at the end."""
    detector = Detector(config)
    return feed(detector, calls, cost=cost, batch=batch)


def feed(detector: Detector, calls: Sequence[SeenCall], *, cost: int = CENT, batch: int = 100) -> list[Event]:
    """The same with a detector of one's own."""
    for start in range(0, len(calls), batch):
        part = calls[start : start + batch]
        detector.observe(part, [cost] * len(part))
    detector.finish()
    detector.advance(detector.clock + 2 * HOUR)
    return detector.drain()


def opened(events: Iterable[Event]) -> list[Event]:
    """The openings among them."""
    return [event for event in events if event.change == "opened"]


def loop(count: int = 30, *, gap: int = 4000, start: int = 0, first: int = 0, **fields: Any) -> list[SeenCall]:
    """Three ordinary calls, then the same request `count` times, at a beat that no timer keeps."""
    fields = {"run_id": "r1", **fields}
    lead = [call(first + n, start + n * gap, request_fingerprint=f"lead{first}-{n}", **fields) for n in range(3)]
    return lead + [
        call(first + 3 + n, start + 3 * gap + n * gap + (n * 7919) % (gap // 3), request_fingerprint="same", **fields)
        for n in range(count)
    ]
