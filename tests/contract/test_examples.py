"""Every example message of the contracts: the decoder's verdict, and JSON Schema's where it can say it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import msgspec
import pytest

from schemas import Call, Control, Incident, Outcome, Signal, Usage
from schemas.base import Contract
from schemas.derive import derive_struct
from schemas.generate import json_schema
from schemas.reasons import REASONS
from schemas.times import LATEST_MS
from schemas.usage import UsageStruct, decode_usage, encode_usage
from streams.meter import judge
from streams.meter.decode import CallStruct, decode

EXAMPLES = Path(__file__).parents[2] / "schemas" / "examples"
_split = msgspec.json.Decoder(list[msgspec.Raw]).decode


@cache
def manifest(contract: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((EXAMPLES / contract / "expected.json").read_text("utf-8"))
    return loaded


@cache
def validator(contract: str) -> jsonschema.Draft202012Validator:
    schema = json_schema(contract)
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def names(contract: str) -> list[str]:
    return sorted(manifest(contract)["examples"])


def fields_of(contract: Contract | CallStruct | UsageStruct, model: type[Contract]) -> dict[str, Any]:
    return {name: getattr(contract, name) for name in model.model_fields}


def without_absent(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def parsed_parts(raw: bytes) -> Iterator[tuple[int, Any]]:
    """What of a record is JSON, by position."""
    parts = judge.split(raw, _split)
    for index, part in enumerate([] if isinstance(parts, judge.Fault) else parts):
        try:
            if isinstance(part, bytes):
                yield index, json.loads(part.decode(), parse_constant=int)  # int("NaN") raises: it is not JSON
            else:
                yield index, part.value
        except ValueError:
            continue


def check_schema(contract: str, raw: bytes, expected: dict[str, Any]) -> None:
    rejected = {reject["index"] for reject in expected["rejects"]} - set(expected.get("schema_accepts_too", []))
    for index, value in parsed_parts(raw):
        assert validator(contract).is_valid(value) is (index not in rejected), (index, value)


@pytest.mark.parametrize("contract", ["call", "outcome", "usage", "signal", "incident", "control"])
def test_each_file_is_in_the_manifest_and_each_kind_is_there(contract: str) -> None:
    files = {path.name for path in (EXAMPLES / contract).iterdir()} - {"expected.json"}
    assert files == set(names(contract))
    assert len(files) >= 10
    assert "minimal.json" in files
    assert any(name.startswith("good") for name in files)
    assert any(name.startswith("bad") for name in files)


def test_each_reason_that_a_small_file_can_show_has_an_example() -> None:
    shown = {reject["reason"] for entry in manifest("call")["examples"].values() for reject in entry["rejects"]}
    assert shown == set(REASONS) - {"too_large", "too_many_calls", "bad_table"}


@pytest.mark.parametrize("name", names("call"))
def test_call(name: str) -> None:
    expected = manifest("call")["examples"][name]
    raw = (EXAMPLES / "call" / name).read_bytes()
    out = decode([raw], [manifest("call")["record_timestamp_ms"]])
    assert [without_absent(fields_of(call, Call)) for call in out.calls] == expected["calls"]
    assert [{"index": reject.index, "reason": reject.reason} for reject in out.rejects] == expected["rejects"]
    assert sorted(out.index + [reject.index for reject in out.rejects]) == list(
        range(len(out.calls) + len(out.rejects))
    )
    check_schema("call", raw, expected)


@pytest.mark.parametrize("name", names("outcome"))
def test_outcome(name: str) -> None:
    expected = manifest("outcome")["examples"][name]
    raw = (EXAMPLES / "outcome" / name).read_bytes()
    parts = judge.split(raw, _split)
    verdicts: list[Outcome | judge.Fault]
    if isinstance(parts, judge.Fault):
        verdicts = [parts]
    else:
        verdicts = [judge.judge(part, Outcome, manifest("outcome")["record_timestamp_ms"]) for part in parts]
    good = [without_absent(item.model_dump()) for item in verdicts if isinstance(item, Outcome)]
    bad = [{"index": i, "reason": item.reason} for i, item in enumerate(verdicts) if isinstance(item, judge.Fault)]
    assert good == expected["outcomes"]
    assert bad == expected["rejects"]
    check_schema("outcome", raw, expected)


@pytest.mark.parametrize("name", names("usage"))
def test_usage(name: str) -> None:
    expected = manifest("usage")["examples"][name]
    raw = (EXAMPLES / "usage" / name).read_bytes()
    if expected["reason"] is None:
        usage = decode_usage(raw)
        assert fields_of(usage, Usage) == expected["usage"]
        assert decode_usage(encode_usage(usage)) == usage
        assert Usage.model_validate(expected["usage"]).model_dump() == expected["usage"]
    else:
        with pytest.raises(ValueError, match=r"\w"):
            decode_usage(raw)
        verdict = judge.judge(raw, Usage, 0)
        assert isinstance(verdict, judge.Fault)
        assert verdict.reason == expected["reason"]
    try:
        value = json.loads(raw)
    except ValueError:
        return
    accepts = expected["reason"] is None or expected.get("schema_accepts_too", False)
    assert validator("usage").is_valid(value) is accepts


def test_usage_struct_refuses_what_the_model_refuses_alone() -> None:
    """The fast decoder's own verdict, without the model behind it."""
    fast = msgspec.json.Decoder(UsageStruct)
    for name, expected in manifest("usage")["examples"].items():
        if expected["reason"] not in (None, "bad_table"):
            with pytest.raises(msgspec.MsgspecError):
                fast.decode((EXAMPLES / "usage" / name).read_bytes())


WATCHED: dict[str, type[Contract]] = {"signal": Signal, "incident": Incident, "control": Control}


@pytest.mark.parametrize(("contract", "name"), [(contract, name) for contract in WATCHED for name in names(contract)])
def test_what_the_watcher_and_its_readers_say(contract: str, name: str) -> None:
    model, expected = WATCHED[contract], manifest(contract)["examples"][name]
    raw = (EXAMPLES / contract / name).read_bytes()
    verdict = judge.judge(raw, model, LATEST_MS)
    if expected["reason"] is None:
        assert isinstance(verdict, model), verdict
        assert model.model_validate_json(verdict.model_dump_json(exclude_none=True)) == verdict
    else:
        assert isinstance(verdict, judge.Fault)
        assert verdict.reason == expected["reason"]
    try:
        value = json.loads(raw)
    except ValueError:
        return
    accepts = expected["reason"] is None or expected.get("schema_accepts_too", False)
    assert validator(contract).is_valid(value) is accepts


def test_outcome_can_be_derived_too() -> None:
    struct = derive_struct(Outcome, "OutcomeStruct")
    assert [field.name for field in msgspec.structs.fields(struct)] == list(Outcome.model_fields)
