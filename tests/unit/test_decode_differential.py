"""The fast way and the contract's model, held against each other on mutated and on arbitrary input.

The oracle shares nothing with the decoder but the model: the standard library's strict JSON, then pydantic; and, where
the text is plain enough for both parsers to read it alike, pydantic's own JSON parser.
"""

from __future__ import annotations

import json
from typing import Annotated, Any

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pydantic import Field, ValidationError

from schemas import Call
from schemas.base import NO_NUL, Contract
from schemas.derive import derive_struct
from schemas.reasons import REASONS
from streams.meter import decode as module
from streams.meter.decode import CallStruct, decode

NOW = 1_767_225_600_000

FULL: dict[str, Any] = {
    "id": "01KDV4M3S8Z7Q2",
    "time": "2025-12-31T23:59:58.250Z",
    "agent_id": "coder",
    "request_model": "claude-sonnet-4-5",
    "input_tokens": 18200,
    "output_tokens": 940,
    **{
        name: name
        for name in (
            "source", "tenant_id", "team_id", "agent_name", "parent_agent_id", "run_id", "parent_call_id",
            "conversation_id", "operation_name", "provider_name", "response_model", "route_reason", "policy_id",
            "retry_of", "error_type", "request_fingerprint", "response_fingerprint", "tool_name", "api_key_id",
            "plan_id",
        )
    },
    "tier": "mid",
    "task_class": "routine",
    "escalated_from": "oss",
    "decision": "allow",
    "status": "error",
    "cache_read_input_tokens": 100,
    "cache_write_input_tokens": 5,
    "reasoning_output_tokens": 9,
    "attempt": 2,
    "http_status": 500,
    "latency_ms": 12.5,
    "time_to_first_token_ms": 3,
    "reported_cost": "0.000000000001",
    "tags": {"repo": "billing"},
}  # fmt: skip
FIELDS = list(Call.model_fields)

numbers = st.one_of(
    st.integers(-2, 3),
    st.integers(),
    st.sampled_from(
        [10**9, 10**9 + 1, 1_000_000, 1_000_001, 999, 1000, 604_800_000, 604_800_001, 2**63, 2**64, 10**30]
    ),
    st.sampled_from([1_420_070_400_000, 1_420_070_399_999, NOW + 86_400_000, NOW + 86_400_001, 4_102_444_800_000]),
    st.floats(allow_nan=False, allow_infinity=False),
)
texts = st.one_of(
    st.text(st.characters(), max_size=6),
    st.text(st.characters(exclude_categories=()), max_size=4),
    st.sampled_from(
        ["", "\0", "x" * 128, "x" * 129, "x" * 256, "x" * 257, "é" * 256, "😀" * 257, "ok", "mid", "allow"]
    ),
    st.sampled_from(["0", "0.0", "00", "1.", ".5", "-1", "1e-5", "999999.999999999999", "1000000", "0.1234567890123"]),
    st.sampled_from(
        ["0.1\n", "٣", "+1", "0x1", "1_0", "2025-12-31T12:00:00Z", "2025-12-31T12:00:00", "2014-01-01T00:00:00Z"]
    ),
    st.sampled_from(["2027-01-01T00:00:00Z", "2025-12-31T12:00:00.123456+00:00", "2025-12-31T12:00:00+14:00", "12"]),
)
scalars = st.one_of(st.none(), st.booleans(), numbers, texts)
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3))
tags = st.one_of(
    st.dictionaries(texts, texts, max_size=4),
    st.integers(63, 66).map(lambda count: {f"k{number}": "v" for number in range(count)}),
    st.sampled_from([1024, 1025]).map(lambda length: {"k": "x" * length}),
)


@st.composite
def mutants(draw: st.DrawFn) -> dict[str, Any]:
    """A full or minimal call with a few fields dropped, replaced or added."""
    call = dict(FULL) if draw(st.booleans()) else {name: FULL[name] for name in FIELDS[:6]}
    for _ in range(draw(st.integers(0, 3))):
        name = draw(st.sampled_from(FIELDS))
        kind = draw(st.sampled_from(["drop", "value", "text", "number", "tags"]))
        if kind == "drop":
            call.pop(name, None)
        elif kind == "tags":
            call["tags"] = draw(tags)
        else:
            call[name] = draw({"value": values, "text": texts, "number": numbers}[kind])
    if draw(st.booleans()):
        call[draw(texts)] = draw(values)
    return call


def strict(raw: bytes) -> Any:
    """The standard library's JSON without its three additions; ValueError otherwise."""

    def refuse(name: str) -> Any:
        raise ValueError(name)

    return json.loads(raw.decode(), parse_constant=refuse)


def judged(value: Any) -> dict[str, Any] | None:
    """The model's normalised fields, or None when it refuses (a day after NOW included)."""
    try:
        call = Call.model_validate(value)
    except ValidationError:
        return None
    return call.model_dump() if call.time <= NOW + 86_400_000 else None


def fields(call: CallStruct) -> dict[str, Any]:
    return {name: getattr(call, name) for name in FIELDS}


def assert_same(raw: bytes, expected: dict[str, Any] | None) -> None:
    out = decode([raw], [NOW])
    assert len(out.calls) + len(out.rejects) == 1
    if expected is None:
        assert out.calls == [], f"accepted what the model refuses: {raw!r}"
        assert out.rejects[0].reason in REASONS
        out.rejects[0].payload.encode()
        out.rejects[0].detail.encode()
    else:
        assert out.rejects == [], f"refused what the model accepts: {raw!r}"
        got = fields(out.calls[0])
        assert got == expected
        assert {name: type(item) for name, item in got.items()} == {n: type(item) for n, item in expected.items()}
        msgspec.json.encode(out.calls[0])  # whatever is accepted can be written again


relaxed = settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@relaxed
@given(mutants(), st.booleans(), st.sampled_from([None, 2]))
@example({**FULL, "time": "2025-12-31T23:59:58.250Z", "run_id": ""}, False, None)
@example({**FULL, "reported_cost": "0.1\n"}, False, None)
@example({**FULL, "cache_read_input_tokens": 18_200}, False, None)
@example({**FULL, "reasoning_output_tokens": 941}, False, None)
def test_mutated_calls(call: dict[str, Any], ascii_only: bool, indent: int | None) -> None:
    raw = json.dumps(call, ensure_ascii=ascii_only, indent=indent).encode("utf-8", "surrogatepass")
    try:
        parsed = strict(raw)
    except ValueError:
        assert_same(raw, None)
        return
    assert_same(raw, judged(parsed))


@relaxed
@given(mutants())
def test_mutated_calls_by_pydantics_own_parser(call: dict[str, Any]) -> None:
    raw = json.dumps(call).encode()
    try:
        expected = Call.model_validate_json(raw).model_dump()
    except ValidationError as error:
        if any(item["type"] == "json_invalid" for item in error.errors()):
            return  # half surrogates: its parser refuses them in fields that do not matter, too
        expected = None
    if expected is not None and expected["time"] > NOW + 86_400_000:
        expected = None
    assert_same(raw, expected)


@relaxed
@given(mutants(), st.data())
def test_mutated_bytes(call: dict[str, Any], data: st.DataObject) -> None:
    raw = bytearray(json.dumps(call).encode())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(raw)))
        cut = data.draw(st.integers(0, 3))
        raw[at : at + cut] = data.draw(
            st.one_of(
                st.binary(max_size=3),
                st.sampled_from([b'"', b"\\", b"{", b"}", b"[", b"]", b",", b":", b"0", b"-", b".", b"e", b"\\u0000"]),
                st.sampled_from(
                    [b"\xff", b"\xc3", b"\xed\xa0\x80", b"\x00", b"\x1f", b"\x7f", b"\\ud800", b"\\u12", b"NaN"]
                ),
            )
        )
    text = bytes(raw).removeprefix(b"\xef\xbb\xbf").strip(b" \t\r\n")
    if text.startswith(b"[") or b"\n" in text:
        assert decode([bytes(raw)], [NOW])
        return
    try:
        parsed = strict(text)
    except ValueError:
        assert_same(bytes(raw), None)
        return
    assert_same(bytes(raw), judged(parsed))


@relaxed
@given(values)
def test_arbitrary_json(value: Any) -> None:
    out = decode([json.dumps(value).encode()], [NOW])
    expected = value if isinstance(value, list) and value else [value]
    assert len(out.rejects) == len(expected)
    assert [item.index for item in out.rejects] == list(range(len(expected)))
    for item in out.rejects:
        (item.reason + item.detail + item.payload).encode()


@relaxed
@given(st.lists(st.one_of(st.none(), st.binary(max_size=60)), max_size=5))
def test_arbitrary_bytes_never_raise_and_leave_no_record_without_a_row(raw: list[bytes | None]) -> None:
    out = decode(raw, [NOW] * len(raw))
    assert {item.record for item in out.rejects} | set(out.record) == set(range(len(raw)))


@relaxed
@given(st.lists(mutants(), min_size=1, max_size=6), st.sampled_from(["array", "ndjson"]))
def test_a_batch_is_the_sum_of_its_parts(calls: list[dict[str, Any]], form: str) -> None:
    parts = [json.dumps(call).encode() for call in calls]
    raw = b"[" + b",".join(parts) + b"]" if form == "array" else b"\n".join(parts)
    batch, single = decode([raw], [NOW]), decode(parts, [NOW] * len(parts))
    assert batch.calls == single.calls
    assert batch.index == single.record
    assert [(item.index, item.reason, item.detail, item.payload) for item in batch.rejects] == [
        (item.record, item.reason, item.detail, item.payload) for item in single.rejects
    ]


def test_the_usual_call_takes_the_fast_way() -> None:
    """Else the fuzz would compare the careful way with itself."""
    for call in (FULL, {name: FULL[name] for name in FIELDS[:6]}, {**FULL, "time": NOW}, {**FULL, "agent_name": "Zoë"}):
        raw = json.dumps(call, ensure_ascii=False).encode()
        fast, complete = module._fast([raw], [NOW])
        assert complete
        assert fast[0] is not None
        assert fields(fast[0]) == judged(strict(raw))


@relaxed
@given(mutants(), st.dictionaries(st.sampled_from(FIELDS), st.sampled_from(["", None]), max_size=8))
def test_blank_fields_take_the_fast_way_and_count_as_absent(call: dict[str, Any], blanks: dict[str, Any]) -> None:
    raw = json.dumps({**call, **blanks}).encode()
    try:
        expected = judged(strict(raw))
    except ValueError:
        expected = None
    assert_same(raw, expected)
    if expected is not None and "\\ud" not in raw.decode() and "u0000" not in raw.decode():
        assert module._fast([raw], [NOW])[1]


@pytest.mark.parametrize("name", [name for name in FIELDS if name != "time"])
@pytest.mark.parametrize("blank", [False, True])
def test_each_constraint_reached_the_struct(name: str, blank: bool) -> None:
    """Beyond each bound of the model the struct refuses by itself, without the model behind it."""
    fast = msgspec.json.Decoder(derive_struct(Call, "Checked", guarded=[NO_NUL], blank=blank))
    fast.decode(json.dumps(FULL).encode())
    kind = type(FULL[name])
    beyond: list[Any] = [[], {"a": 1}, True]
    if kind is str:
        beyond += ["x" * 257, 5] if blank and name in Call.optional_text else ["", "x" * 257, 5]
    elif kind is dict:
        beyond += [{"": "v"}, {"k" * 129: "v"}, {"k": "v" * 1025}, {f"k{n}": "v" for n in range(65)}, "x"]
    else:
        beyond += [-1, 10**10, "5", 1e300]
    for value in beyond:
        with pytest.raises(msgspec.ValidationError):
            fast.decode(json.dumps({**FULL, name: value}).encode())


def test_metadata_that_is_not_understood_is_an_error() -> None:
    class Model(Contract):
        odd: Annotated[int, Field(multiple_of=2)] | None = None

    class Other(Contract):
        odd: bytes

    with pytest.raises(TypeError, match="MultipleOf"):
        derive_struct(Model, "M")
    with pytest.raises(TypeError, match="bytes"):
        derive_struct(Other, "O")
