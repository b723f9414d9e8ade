"""A call becomes a record: stamped once, keyed, stripped of what the contract does not know."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas.call import Call
from streams.publish.fields import CALL_FIELDS
from streams.publish.record import MAX_VALUE_BYTES, Record, Refusal, build, new_call_id

NOW = 1_760_000_000_123
CALL = {"agent_id": "a", "request_model": "gpt-4o", "input_tokens": 10, "output_tokens": 2}


def sent(call: Mapping[str, object]) -> tuple[Record, dict[str, object]]:
    record, _ = build(call, source="router", now_ms=NOW)
    assert isinstance(record, Record)
    return record, json.loads(record.value)


def refusal(call: Mapping[str, object]) -> str:
    record, _ = build(call, source="router", now_ms=NOW)
    assert isinstance(record, Refusal)
    return record.reason


def test_the_fields_are_those_of_the_contract() -> None:
    assert set(Call.model_fields) == CALL_FIELDS


def test_a_minimal_call_is_stamped_and_passes_the_contract() -> None:
    record, value = sent(CALL)
    assert value == {**CALL, "id": value["id"], "time": NOW, "source": "router"}
    assert (record.key, record.timestamp_ms) == (b"a", NOW)
    assert Call.model_validate_json(record.value).id == value["id"]


def test_own_id_time_and_source_win() -> None:
    own = {**CALL, "id": "mine", "time": "2026-01-02T03:04:05Z", "source": "other"}
    assert sent(own)[1] == own


@pytest.mark.parametrize(
    ("run_id", "key"), [("run-ü", "run-ü".encode()), (None, b"a"), ("", b"a"), (7, b"a")], ids=repr
)
def test_the_key_is_run_id_else_agent_id(run_id: object, key: bytes) -> None:
    assert sent({**CALL, "run_id": run_id})[0].key == key


def test_prompts_and_none_do_not_leave() -> None:
    record, unknown = build(
        {**CALL, "messages": [{"content": "SECRET"}], "response": "SECRET", "team_id": None}, source="r", now_ms=NOW
    )
    assert isinstance(record, Record)
    assert unknown == 2
    assert b"SECRET" not in record.value
    assert b"team_id" not in record.value


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"agent_id": None}, "no_agent_id"),
        ({"agent_id": ""}, "no_agent_id"),
        ({"agent_id": 7}, "no_agent_id"),
        ({"request_model": None}, "no_request_model"),
        ({"tags": {"a": object()}}, "unencodable"),
        ({"agent_name": "\ud800"}, "unencodable"),
        ({"run_id": "\ud800"}, "unencodable"),
        ({"tags": {"a": "x" * MAX_VALUE_BYTES}}, "too_large"),
        ({"run_id": "x" * MAX_VALUE_BYTES}, "too_large"),
    ],
)
def test_refusals_have_a_reason(change: dict[str, object], reason: str) -> None:
    assert refusal({**CALL, **change}) == reason


def test_a_refusal_holds_no_content() -> None:
    record, _ = build({**CALL, "agent_name": "SECRET\ud800"}, source="r", now_ms=NOW)
    assert isinstance(record, Refusal)
    assert "SECRET" not in record.detail


def test_a_mapping_that_raises_is_a_refusal() -> None:
    class Broken(Mapping[str, object]):
        def __getitem__(self, key: str) -> object:
            raise OSError

        def __iter__(self) -> Iterator[str]:
            raise OSError

        def __len__(self) -> int:
            return 1

    assert refusal(Broken()) == "unencodable"


@pytest.mark.parametrize(
    ("cost", "text"),
    [
        (Decimal("1.2E-7"), "0.00000012"),
        (1.2e-07, "0.00000012"),
        (0.1, "0.1"),
        (Decimal("0.0000000000004"), "0"),
        (Decimal("12.50"), "12.5"),
        (100, "100"),
        (Decimal("1E+2"), "100"),
        ("0.0123", "0.0123"),
    ],
)
def test_money_is_a_plain_decimal_string(cost: object, text: str) -> None:
    record, value = sent({**CALL, "reported_cost": cost})
    assert value["reported_cost"] == text
    Call.model_validate_json(record.value)


@pytest.mark.parametrize("cost", [Decimal("NaN"), float("inf"), Decimal("1E+400")], ids=repr)
def test_money_that_is_none_is_left_to_the_worker_to_refuse(cost: object) -> None:
    record, _ = sent({**CALL, "reported_cost": cost})
    with pytest.raises(ValidationError):
        Call.model_validate_json(record.value)


def test_an_aware_datetime_is_a_time_of_the_contract() -> None:
    record, _ = sent({**CALL, "time": datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)})
    again, _ = sent({**CALL, "time": 1_767_323_045_678})
    assert Call.model_validate_json(record.value).time == Call.model_validate_json(again.value).time


def test_ids_are_uuid7_in_order_of_time_and_unique() -> None:
    ids = [new_call_id(NOW + i // 100) for i in range(1_000)]
    assert len(set(ids)) == 1_000
    assert all(uuid.UUID(i).version == 7 and uuid.UUID(i).variant == uuid.RFC_4122 for i in ids)
    assert all(re.fullmatch("[0-9a-f]{32}", i) for i in ids)
    assert [i[:12] for i in ids] == sorted(i[:12] for i in ids)
    assert int(ids[0][:12], 16) == NOW


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.decimals() | st.binary()
values = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=5)


@given(st.dictionaries(st.sampled_from(sorted(CALL_FIELDS)) | st.text() | st.integers(), values))
def test_whatever_comes_is_a_record_or_a_refusal(call: dict[str, object]) -> None:
    record, unknown = build(call, source="r", now_ms=NOW)
    assert unknown == len([key for key in call if key not in CALL_FIELDS])
    if isinstance(record, Record):
        value = json.loads(record.value)
        assert set(value) <= CALL_FIELDS
        assert {"id", "time", "source", "agent_id", "request_model"} <= set(value)
        assert record.key.decode() == (value.get("run_id") or value["agent_id"] if isinstance(value.get("run_id"), str)
                                       else value["agent_id"])  # fmt: skip
