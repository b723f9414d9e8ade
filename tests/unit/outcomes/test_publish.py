"""A verdict becomes a record: stamped once, keyed by its run, with the contract's fields only."""

from __future__ import annotations

import json

import pytest

from schemas.outcome import Outcome
from streams import topics
from streams.publish import OutcomePublisher, SyncOutcomePublisher
from streams.publish.outcome import OUTCOME_FIELDS, build_outcome
from streams.publish.record import MAX_VALUE_BYTES, Record, Refusal

NOW = 1_760_000_000_123


def test_the_fields_are_those_of_the_contract() -> None:
    assert set(Outcome.model_fields) == OUTCOME_FIELDS


def test_a_minimal_verdict_is_stamped_and_passes_the_contract() -> None:
    record, unknown = build_outcome({"run_id": "r", "outcome": "success", "notes": "x"}, source="tests", now_ms=NOW)
    assert isinstance(record, Record)
    assert (record.key, record.timestamp_ms, unknown) == (b"r", NOW, 1)
    found = Outcome.model_validate_json(record.value)
    assert (found.time, found.evaluator, "notes" in json.loads(record.value)) == (NOW, "tests", False)
    assert found.id


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ({"outcome": "success"}, "no_run_id"),
        ({"run_id": 7, "outcome": "success"}, "no_run_id"),
        ({"run_id": "r"}, "no_outcome"),
        ({"run_id": "r", "outcome": True}, "no_outcome"),
        ({"run_id": "r", "outcome": "success", "score": {1}.__iter__}, "unencodable"),
        ({"run_id": "\ud800", "outcome": "success"}, "unencodable"),
        ({"run_id": "r", "outcome": "success", "evaluator": "e" * MAX_VALUE_BYTES}, "too_large"),
    ],
)
def test_what_cannot_be_sent_is_a_value(told: dict[str, object], reason: str) -> None:
    record, _ = build_outcome(told, source="tests", now_ms=NOW)
    assert isinstance(record, Refusal)
    assert record.reason == reason


def test_both_publishers_take_verdicts_and_count_what_they_refuse() -> None:
    publisher = OutcomePublisher("localhost:1", source="tests")
    assert publisher._topic == topics.OUTCOMES
    assert publisher.publish_outcome({"run_id": "r"}, outcome="failure")
    assert not publisher.publish_outcome(run_id="r")
    assert (publisher.stats.buffered, dict(publisher.stats.dropped)) == (1, {"no_outcome": 1})
    sync = SyncOutcomePublisher("localhost:1", source="tests")
    assert sync.publish_outcome(run_id="r", outcome="failure")
    assert not sync.publish_outcome(agent_id="a", request_model="m")
    assert (sync.stats.buffered, dict(sync.stats.dropped)) == (1, {"no_run_id": 1})
    sync.close(0)
