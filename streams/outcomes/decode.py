"""Values of Kafka records to verdicts, and rejects with a reason. Pure and total: no input raises.

A record is one JSON object, an array of them, or NDJSON, by the rules of `streams.meter.judge`; every part yields
exactly one `Verdict`. There is one a run, not one a call, so pydantic judges each of them and no fast way is needed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from schemas.outcome import Outcome
from schemas.times import LATEST_MS
from streams.meter import judge
from streams.meter.decode import FUTURE_MAX_MS, VALUE_MAX_BYTES

_split_array = msgspec.json.Decoder(list[msgspec.Raw]).decode


@dataclass(frozen=True, slots=True)
class Verdict:
    """One part of one record: `found` is the outcome, or the fault for which it is refused."""

    offset: int
    item: int
    arrived_ms: int
    found: Outcome | judge.Fault


def decode_outcomes(value: bytes | None, offset: int, timestamp_ms: int) -> Iterator[Verdict]:
    """The verdicts of one record, at least one; `timestamp_ms` is its Kafka timestamp (epoch ms, -1 for none)."""
    if value is not None and len(value) > VALUE_MAX_BYTES:
        parts: list[judge.Part] | judge.Fault = judge.fault("too_large", f"{len(value)} bytes", value)
    else:
        parts = judge.split(value or b"", _split_array)
    if isinstance(parts, judge.Fault):
        yield Verdict(offset, 0, timestamp_ms, parts)
        return
    latest = timestamp_ms + FUTURE_MAX_MS if timestamp_ms >= 0 else LATEST_MS
    for item, part in enumerate(parts):
        yield Verdict(offset, item, timestamp_ms, judge.judge(part, Outcome, latest))
