"""Publish verdicts on runs: what a test suite, a judge or a person says of a run, to `spendstream.outcomes`.

    publisher.publish_outcome(run_id="run-7", outcome="success", evaluator="unit-tests", score=0.93)

Everything else is as with calls: never waits, never raises, counts what it could not send (`stats`). `id` is stamped
when it is absent, so that a verdict that is sent twice counts once; one with the same run and `id` replaces the
earlier.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from streams import topics
from streams.publish.publisher import Publisher
from streams.publish.record import MAX_VALUE_BYTES, Record, Refusal, new_call_id
from streams.publish.sync import SyncPublisher

OUTCOME_FIELDS = frozenset(("run_id", "outcome", "id", "time", "agent_id", "score", "evaluator", "task_class"))
"""The contract's names, as a constant: evaluators publish without importing pydantic (a test holds it)."""

_encode = msgspec.json.Encoder().encode


def build_outcome(call: Mapping[str, object], *, source: str, now_ms: int) -> tuple[Record | Refusal, int]:
    """The record for the verdict `call` (or why there is none), and how many of its keys are not of the contract.

    `id` and `time` are stamped when they are absent, and `source` becomes the `evaluator` of a verdict without one.
    Values may be whatever JSON has, plus aware `datetime`.
    """
    unknown = 0
    try:
        fields = {name: value for name, value in call.items() if name in OUTCOME_FIELDS and value is not None}
        unknown = sum(name not in OUTCOME_FIELDS for name in call)
        run_id = fields.get("run_id")
        if not isinstance(run_id, str) or not run_id:
            return Refusal("no_run_id", "run_id must be a non-empty string"), unknown
        if fields.get("outcome") not in ("success", "failure"):
            return Refusal("no_outcome", "outcome must be success or failure"), unknown
        fields.setdefault("id", new_call_id(now_ms))
        fields.setdefault("time", now_ms)
        fields.setdefault("evaluator", source)
        value = _encode(fields)
        key = run_id.encode()
    except Exception as error:  # whatever an evaluator's mapping or values do must not reach the evaluator
        return Refusal("unencodable", type(error).__name__), unknown
    if len(value) + len(key) > MAX_VALUE_BYTES:
        return Refusal("too_large", f"{len(value)} bytes, at most {MAX_VALUE_BYTES}"), unknown
    return Record(key, value, now_ms), unknown


class OutcomePublisher(Publisher):
    """For evaluators on asyncio; others use `SyncOutcomePublisher`."""

    _build = staticmethod(build_outcome)

    def __init__(self, bootstrap_servers: str, *, source: str, topic: str = topics.OUTCOMES, **options: Any) -> None:
        """`source`: the evaluator's name, for verdicts that name none. `options`: those of `Publisher`."""
        super().__init__(bootstrap_servers, source=source, topic=topic, **options)

    def publish_outcome(self, outcome: Mapping[str, object] | None = None, /, **fields: object) -> bool:
        """Hand one verdict over (a mapping, or its fields by keyword, or both); True if it was buffered."""
        return self.publish(outcome, **fields)


class SyncOutcomePublisher(SyncPublisher):
    """`OutcomePublisher` behind plain methods, on an event loop in a daemon thread of its own."""

    _kind = OutcomePublisher

    def publish_outcome(self, outcome: Mapping[str, object] | None = None, /, **fields: object) -> bool:
        """See `OutcomePublisher.publish_outcome`."""
        return self.publish(outcome, **fields)
