"""The decoder case by case: splitting, times, limits, what is kept of a reject, and the recorded data."""

from __future__ import annotations

import gzip
import json
import os
import sys
import threading
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import Call
from schemas.times import EARLIEST_MS, LATEST_MS, parse_rfc3339
from streams.meter import decode as module
from streams.meter import judge
from streams.meter.decode import VALUE_MAX_BYTES, Decoded, Reject, decode

NOW = 1_767_225_600_000
DAY = 86_400_000
LATER = 1_900_000_000_000
CALL: dict[str, Any] = {
    "id": "c-1",
    "time": "2025-12-31T12:00:00Z",
    "agent_id": "a",
    "request_model": "m",
    "input_tokens": 10,
    "output_tokens": 5,
}


def value(**changes: Any) -> bytes:
    return json.dumps({**CALL, **changes}).encode()


def one(raw: bytes | None, timestamp: int = NOW) -> Decoded:
    return decode([raw], [timestamp])


def reject(raw: bytes | None, timestamp: int = NOW) -> Reject:
    out = one(raw, timestamp)
    assert (out.calls, len(out.rejects)) == ([], 1)
    return out.rejects[0]


def test_positions_keep_the_order_of_arrival() -> None:
    array = b"[" + value(id="c-2") + b", 7, " + value(id="c-3") + b"]"
    out = decode([value(), None, array, value(id="c-4")], [NOW] * 4)
    assert [call.id for call in out.calls] == ["c-1", "c-2", "c-3", "c-4"]
    assert (out.record, out.index) == ([0, 2, 2, 3], [0, 0, 2, 0])
    assert [(item.record, item.index, item.reason) for item in out.rejects] == [
        (1, 0, "empty"),
        (2, 1, "not_an_object"),
    ]


def test_a_clean_batch_has_the_same_positions_as_one_with_a_fault() -> None:
    clean = decode([value(), value()], [NOW] * 2)
    assert (clean.record, clean.index, clean.rejects) == ([0, 1], [0, 0], [])


def test_values_and_timestamps_of_different_length_are_a_fault_of_the_caller() -> None:
    with pytest.raises(ValueError, match="zip"):
        decode([value()], [])


def test_an_empty_batch_is_nothing() -> None:
    assert decode([], []) == Decoded()


@pytest.mark.parametrize("raw", [None, b"", b" ", b"\n\r\t ", b"[]", b" [ ] ", b"\xef\xbb\xbf"])
def test_empty_records_leave_one_reject(raw: bytes | None) -> None:
    assert reject(raw).reason == "empty"


def test_a_pretty_printed_call_is_one_call_and_broken_one_reject() -> None:
    pretty = json.dumps({**CALL, "tags": {"a": "b"}}, indent=2).encode()
    assert len(one(pretty).calls) == 1
    assert reject(pretty[:-3]).reason == "not_json"
    assert len(one(b"\n\n" + value() + b"\n").calls) == 1


def test_a_call_printed_with_leading_commas_is_one_call() -> None:
    raw = b'{"tags": {}\n, ' + value()[1:]
    assert len(one(raw[:-1] + b', "run_id": ""}').calls) == 1


def test_ndjson_whose_first_line_is_broken_keeps_the_others() -> None:
    out = one(b'{"id": \n' + value() + b"\n" + value(id="c-2"))
    assert [call.id for call in out.calls] == ["c-1", "c-2"]
    assert [(item.index, item.reason) for item in out.rejects] == [(0, "not_json")]


def test_a_pretty_printed_call_with_half_a_surrogate_in_a_foreign_field_is_one_call() -> None:
    assert len(one(json.dumps({**CALL, "x": "\ud83d"}, indent=2).encode()).calls) == 1


def test_ndjson_with_a_too_deep_line_keeps_the_others() -> None:
    deep = b'{"x": ' + b"[" * 300 + b"]" * 300 + b"}"
    out = one(value() + b"\n" + deep + b"\n" + value(id="c-2"))
    assert [call.id for call in out.calls] == ["c-1", "c-2"]
    assert [(item.index, item.reason) for item in out.rejects] == [(1, "too_deep")]


def test_an_array_with_half_a_surrogate_in_a_foreign_field_counts_in_full() -> None:
    array = json.dumps([{**CALL, "x": "\ud83d"}, {**CALL, "id": 5}, {**CALL, "id": "c-2"}]).encode()
    out = one(array)
    assert [call.id for call in out.calls] == ["c-1", "c-2"]
    assert [(item.index, item.reason) for item in out.rejects] == [(1, "wrong_type")]


def test_a_record_too_large_is_one_reject_that_keeps_little() -> None:
    fits = value(x="y" * (VALUE_MAX_BYTES - len(value(x=""))))
    assert len(fits) == VALUE_MAX_BYTES
    assert len(one(fits).calls) == 1
    refused = reject(fits + b" ")
    assert refused.reason == "too_large"
    assert json.loads(refused.payload.removesuffix(', "…": "…') + "}") == CALL
    assert "yyy" not in refused.payload


def test_too_many_parts_are_one_reject() -> None:
    assert reject(b"[" + b",".join([b"1"] * (judge.CALLS_MAX + 1)) + b"]").reason == "too_many_calls"
    assert reject(b"{}\n" * (judge.CALLS_MAX + 1)).reason == "too_many_calls"
    assert len(one(b"[" + b",".join([b"1"] * 1000) + b"]").rejects) == 1000


@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
@pytest.mark.parametrize("levels", [judge.DEPTH_MAX, 5_000, 100_000])
def test_deep_nesting_is_refused(opening: bytes, levels: int) -> None:
    closing = b"]" if opening == b"[" else b"}"
    nested = opening * levels + b"1" + closing * levels
    call = value()[:-1] + b', "x": ' + nested + b"}"
    assert reject(call).reason == "too_deep"
    assert reject(b"[" + call + b"]").reason == "too_deep"


def test_the_deepest_allowed_nesting_is_fine_and_brackets_in_strings_do_not_count() -> None:
    levels = judge.DEPTH_MAX - 1
    call = value()[:-1] + b', "x": ' + b"[" * levels + b"]" * levels + b', "y": "' + b"[{" * 500 + b'\\"[["}'
    assert not judge.is_deep(call)
    assert judge.is_deep(b"[" + call + b"]")
    assert len(one(call).calls) == len(one(b"[" + call + b"]").calls) == 1


@pytest.mark.parametrize("levels", [judge.DEPTH_MAX, 700, 50_000])
def test_an_array_with_a_too_deep_call_keeps_the_others(levels: int) -> None:
    deep = value(id="deep")[:-1] + b', "x": ' + b"[" * levels + b"]" * levels + b"}"
    array = b"[" + b", ".join([value(x="a,]b"), deep, value(id="c-2", x=["a", ["b"]])])
    out = one(array + b"]\n")
    assert [(call.id, index) for call, index in zip(out.calls, out.index, strict=True)] == [("c-1", 0), ("c-2", 2)]
    assert [(item.index, item.reason) for item in out.rejects] == [(1, "too_deep")]
    for ending in (b"", b"]]", b"] x", b"}"):
        assert reject(array + ending).reason == "too_deep"


@pytest.mark.parametrize("filler", ["", "x" * 2000, "\n"])
def test_bytes_that_are_not_utf8_in_a_foreign_field_are_no_json(filler: str) -> None:
    raw = value(x="?" + filler)
    for cut in (b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xc0\x80", b"\xf4\x90\x80\x80"):
        assert reject(raw.replace(b"?", cut)).reason == "not_utf8"
    assert len(one(raw.replace(b"?", "é😀".encode())).calls) == 1


def test_nul_is_found_in_long_calls_and_deep_objects_without_arrays() -> None:
    assert reject(value(x="y" * 2000, agent_id="a\0")).reason == "bad_text"
    nested = b'{"":' * judge.DEPTH_MAX + b"1" + b"}" * judge.DEPTH_MAX
    assert reject(value()[:-1] + b', "x": ' + nested + b"}").reason == "too_deep"


def test_the_verdict_on_nesting_does_not_depend_on_the_stack() -> None:
    levels = judge.DEPTH_MAX - 1
    call = value()[:-1] + b', "x": ' + b"[" * levels + b"]" * levels + b"}"

    def at_depth(frames: int) -> int:
        return at_depth(frames - 1) if frames else len(one(call).calls)

    results: list[int] = []
    thread = threading.Thread(target=lambda: results.append(at_depth(sys.getrecursionlimit() // 2)))
    thread.start()
    thread.join()
    assert results == [1]


@pytest.mark.parametrize(("offset", "accepted"), [(0, True), (DAY, True), (DAY + 1, False), (-DAY * 365, True)])
@pytest.mark.parametrize("slow", [False, True])
def test_a_call_may_be_a_day_ahead_of_its_record(offset: int, accepted: bool, slow: bool) -> None:
    extra = {"run_id": ""} if slow else {}
    out = one(value(time=NOW + offset, **extra))
    assert [item.reason for item in out.rejects] == ([] if accepted else ["time_in_future"])


@pytest.mark.parametrize("slow", [False, True])
def test_without_a_record_timestamp_only_the_contract_limits_time(slow: bool) -> None:
    extra = {"run_id": ""} if slow else {}
    assert len(one(value(time=LATEST_MS - 1, **extra), -1).calls) == 1
    assert reject(value(time=LATEST_MS, **extra), -1).reason == "time_in_future"
    assert len(one(value(time=EARLIEST_MS, **extra), -1).calls) == 1
    assert reject(value(time=EARLIEST_MS - 1, **extra), -1).reason == "time_too_old"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2025-12-31T12:00:00Z", 1767182400000),
        ("2025-12-31t12:00:00z", 1767182400000),
        ("2025-12-31T12:00:00.1Z", 1767182400100),
        ("2025-12-31T12:00:00.12Z", 1767182400120),
        ("2025-12-31T12:00:00.1239Z", 1767182400123),
        ("2025-12-31T12:00:00.123456789Z", 1767182400123),
        ("2025-12-31T12:00:00.999999+00:00", 1767182400999),
        ("2025-12-31T12:00:00-00:00", 1767182400000),
        ("2025-12-31T12:00:00.5+05:30", 1767162600500),
        ("2025-12-31T12:00:00-23:59", 1767268740000),
        ("2016-02-29T00:00:00Z", 1456704000000),
        ("2025-12-31T12:00:00.12x456Z", None),
        ("2025-12-31T12:00:00.123 56Z", None),
        ("2025-12-31T12:00:00.123٤٥٦Z", None),
        ("2025-12-31T12:00:0٤Z", None),
        ("2025-12-31T12:00:00.Z", None),
        ("2025-12-31T12:00:00", None),
        ("2025-12-31T12:00:00.123", None),
        ("2025-12-31 12:00:00Z", None),
        ("2025-12-31T12:00Z", None),
        ("2025-12-31T24:00:00Z", None),
        ("2025-12-31T23:60:00Z", None),
        ("2016-12-31T23:59:60Z", None),
        ("2025-13-01T00:00:00Z", None),
        ("2025-00-01T00:00:00Z", None),
        ("2025-02-29T00:00:00Z", None),
        ("0000-01-01T00:00:00Z", None),
        ("2025-12-31T12:00:00+24:00", None),
        ("2025-12-31T12:00:00+05:60", None),
        ("2025-12-31T12:00:00+0530", None),
        ("2025-12-31T12:00:00Z\n", None),
        (" 2025-12-31T12:00:00Z", None),
        ("20251231T120000Z", None),
        ("2025-365T12:00:00Z", None),
        ("1767182400000", None),
        ("", None),
        ("2025-12-31T12:00:00." + "1" * 64 + "Z", None),
    ],
)
@pytest.mark.parametrize("slow", [False, True])
def test_times(text: str, expected: int | None, slow: bool) -> None:
    raw = value(time=text, **({"run_id": ""} if slow else {}))
    if expected is None:
        assert reject(raw).reason == "bad_time"
    else:
        assert [call.time for call in one(raw).calls] == [expected]


@given(
    st.datetimes(datetime(2015, 1, 2), datetime(2099, 12, 30)),  # noqa: DTZ001 - the zone comes from the next line
    st.integers(-1439, 1439),
    st.sampled_from(["auto", "seconds", "milliseconds", "microseconds"]),
)
def test_times_are_those_of_datetime(moment: datetime, offset: int, timespec: str) -> None:
    aware = moment.replace(tzinfo=timezone(timedelta(minutes=offset)))
    text = aware.isoformat(timespec=timespec)
    expected = (datetime.fromisoformat(text) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    assert parse_rfc3339(text) == module._time_ms(text) == expected
    assert module._time_ms(text) == expected  # the second time from memory


@given(st.one_of(st.text(max_size=40), st.from_regex(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{0,12}[Z+0-9:]{0,6}")))
def test_both_ways_to_read_a_time_agree_on_any_text(text: str) -> None:
    assert module._time_ms(text) == parse_rfc3339(text)


def test_the_memory_for_seconds_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SECONDS_CACHED", 10)
    monkeypatch.setattr(module, "_second_ms", {})
    for second in range(60):
        text = f"2025-12-31T12:00:{second:02d}.250Z"
        assert module._time_ms(text) == 1767182400250 + second * 1000
        assert len(module._second_ms) <= 10


def test_a_reject_keeps_contract_fields_only_and_shortens_them() -> None:
    secret = "my secret prompt"
    refused = reject(
        value(
            input_tokens=-1,
            messages=[{"content": secret}],
            prompt=secret,
            agent_name="n" * 10_000,
            request_model={"messages": secret},
            tool_name=[secret],
            tags={f"k{number}": {"x": secret} if number == 0 else "v" * 1000 for number in range(30)},
        )
    )
    assert secret not in refused.payload
    assert secret not in refused.detail
    kept = json.loads(refused.payload)
    assert (kept["id"], kept["input_tokens"], kept["request_model"]) == ("c-1", -1, "<object>")
    assert kept["agent_name"] == "n" * judge.VALUE_MAX + judge.CUT
    assert kept["tags"]["k1"] == "v" * judge.VALUE_MAX + judge.CUT
    assert len(kept["tags"]) == judge.TAGS_MAX
    assert kept["tags"]["k0"] == "<object>"
    assert set(kept) <= set(Call.model_fields)


def test_a_detail_names_fields_without_quoting_values() -> None:
    refused = reject(value(input_tokens="a secret", tags={"a secret key": 5}, tier="a secret"))
    assert "input_tokens" in refused.detail
    assert "secret" not in refused.detail
    assert refused.reason == "wrong_type"


def test_of_several_faults_the_first_field_of_the_contract_decides() -> None:
    assert reject(value(tier="x", input_tokens=-1, reported_cost="?")).reason == "out_of_range"
    assert reject(value(tier="x", reported_cost="?")).reason == "unknown_value"


def test_of_what_does_not_parse_the_shape_is_kept_and_no_text() -> None:
    refused = reject(b'{"id": "c-1", "prompt": "my \xff secret' + b"x" * 10_000)
    assert refused.reason == "not_utf8"
    assert refused.payload == '{"id": "c-1", "…": "…'


@pytest.mark.parametrize(
    "raw",
    [
        b'{"id": "c-1", "messages": [{"content": "my secret prompt"}]',
        b'{"id": "c-1", "prompt": "my secret prompt", }',
        b"my secret prompt",
        b'["my secret prompt", "my secret prompt"]',
        b"\xff my secret prompt",
        b'{"a":' * 300 + b'"my secret prompt"' + b"}" * 300,
        b'{"prompt": "' + b"my secret prompt " * 300_000 + b'"}',
    ],
)
def test_text_of_what_does_not_parse_is_not_kept(raw: bytes) -> None:
    refused = one(raw).rejects
    assert refused
    assert all("secret" not in one.payload + one.detail for one in refused)


@pytest.mark.parametrize(
    "raw",
    [
        value(time="my secret prompt of more than forty characters, as prompts are"),
        value(status="my secret prompt of more than forty characters, as prompts are" * 2)[:-1] + b"}",
        value(agent_id="my secret prompt of more than forty characters, as prompts are" * 10),
        value(reported_cost="my secret prompt of more than forty characters, as prompts are" * 2),
        value(input_tokens="my secret prompt of more than forty characters, as prompts are" * 2),
    ],
)
def test_a_text_that_is_not_what_its_field_is_for_is_cut(raw: bytes) -> None:
    refused = reject(raw)
    assert "as prompts are" not in refused.payload
    assert "secret" not in refused.detail


@pytest.mark.parametrize(
    "raw",
    [
        json.dumps({**CALL, "agent_name": "\ud83d"}).encode(),
        json.dumps({**CALL, "tags": {"\ud83d": "x"}}).encode(),
        json.dumps({**CALL, "tags": {"x": "\udc00"}}).encode(),
        value(tags={"k": "a\0b"}),
        value(tags={"a\0b": "v"}),
        value(id="\0"),
    ],
)
def test_text_that_cannot_be_stored_is_refused_and_its_reject_can_be(raw: bytes) -> None:
    refused = reject(raw)
    assert refused.reason == "bad_text"
    refused.payload.encode()
    json.loads(refused.payload)


def test_the_text_u0000_is_no_nul() -> None:
    assert one(value(agent_name="\\u0000")).calls[0].agent_name == "\\u0000"


def test_integers_of_thousands_of_digits_do_no_harm() -> None:
    digits = b"9" * 10_000
    assert len(one(value()[:-1] + b', "x": ' + digits + b"}").calls) == 1
    assert len(one(value(run_id="")[:-1] + b', "x": -' + digits + b"}").calls) == 1
    assert reject(value()[:-1] + b', "attempt": ' + digits + b"}").reason == "out_of_range"
    assert reject(value()[:-1] + b', "time": ' + digits + b"}").reason == "time_in_future"
    assert reject(value()[:-1] + b', "time": -' + digits + b"}").reason == "time_too_old"


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity"])
@pytest.mark.parametrize("field", ["latency_ms", "foreign"])
def test_nan_and_infinity_are_not_json(constant: str, field: str) -> None:
    assert reject(value()[:-1] + f', "{field}": {constant}'.encode() + b"}").reason == "not_json"


def test_status_is_ok_when_absent_null_or_blank() -> None:
    out = decode([value(), value(status=None), value(status="")], [NOW] * 3)
    assert [call.status for call in out.calls] == ["ok"] * 3


def test_unicode_lengths_are_code_points() -> None:
    assert len(one(value(id="😀" * 128)).calls) == 1
    assert len(one(json.dumps({**CALL, "id": "😀" * 128}, ensure_ascii=False).encode()).calls) == 1
    assert reject(value(id="😀" * 129)).reason == "out_of_range"


def test_every_reject_can_be_encoded_and_is_bounded() -> None:
    fields = dict.fromkeys(Call.model_fields, "�" * 5000)
    refused = reject(json.dumps(fields).encode())
    assert len(refused.payload.encode()) < 100_000
    assert len(refused.detail) <= judge.DETAIL_MAX


def data_files() -> list[Path]:
    root = Path(os.environ.get("SPENDSTREAM_DATA", Path(__file__).parents[3] / "shared" / "data"))
    files = sorted(root.glob("*/calls.jsonl.gz"))
    if not files:
        pytest.skip(f"NO RECORDED DATA in {root}: set SPENDSTREAM_DATA to the folder with */calls.jsonl.gz")
    return files


@pytest.mark.data
def test_recorded_calls_decode_without_a_reject() -> None:
    for path in data_files():
        lines = gzip.decompress(path.read_bytes()).splitlines()
        out = decode(lines, [LATER] * len(lines))
        assert out.rejects == [], path
        assert len(out.calls) == len(lines)
        plain = [json.loads(line) for line in lines]
        for field in ("id", "agent_id", "input_tokens", "output_tokens", "reported_cost", "latency_ms"):
            assert [getattr(call, field) for call in out.calls] == [item.get(field) for item in plain], field
        moments = [datetime.fromisoformat(item["time"]) for item in plain]
        assert [call.time for call in out.calls] == [round(moment.timestamp() * 1000) for moment in moments]


@pytest.mark.data
def test_recorded_calls_as_ndjson_give_the_same_calls() -> None:
    for path in data_files()[:1]:
        raw = gzip.decompress(path.read_bytes())
        assert len(raw) < VALUE_MAX_BYTES
        lines = raw.splitlines()
        single, batch = decode(lines, [LATER] * len(lines)), one(raw, LATER)
        array = one(b"[" + b",".join(lines) + b"]", LATER)
        assert single.calls == batch.calls == array.calls
        assert batch.index == array.index == list(range(len(lines)))


def test_calls_encode_again_to_what_they_were() -> None:
    call = one(value(tags={"a": "b"}, latency_ms=5)).calls[0]
    assert one(msgspec.json.encode(call)).calls == [call]
