"""What is changed in a refused call, and what stays refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.call import Call
from streams.errors import UsageError
from streams.meter import judge
from streams.meter.decode import decode
from streams.repair.mend import Fix, Mended, Place, StillBad, mend, parse_fix
from streams.repair.originals import part_of
from streams.repair.rejects import edited

NOW = 1_767_182_400_000
PLACE = Place(1, 2, 33, 4)
CALL: dict[str, Any] = {
    "id": "c", "time": NOW, "agent_id": "a", "request_model": "m", "input_tokens": 1, "output_tokens": 2,
}  # fmt: skip


def mended(record: Any, whole: bool = True, **fix: list[str]) -> Any:
    found = mend(record, parse_fix(**fix), PLACE, NOW - 5, NOW, whole=whole)
    if isinstance(found, StillBad):
        return found
    assert found.place == PLACE
    return json.loads(found.value) | {"key": found.key.decode()}


def without(*names: str) -> dict[str, Any]:
    return {name: value for name, value in CALL.items() if name not in names}


def test_rename_number_text_set_and_default() -> None:
    assert mended(without("agent_id") | {"agent": "b"}, renames=["agent=agent_id"])["agent_id"] == "b"
    numbers = mended(CALL | {"input_tokens": "12", "latency_ms": "1.5"}, numbers=["input_tokens", "latency_ms"])
    assert (numbers["input_tokens"], numbers["latency_ms"]) == (12, 1.5)
    assert mended(CALL | {"reported_cost": 0.25}, texts=["reported_cost"])["reported_cost"] == "0.25"
    assert mended(CALL | {"tier": "x"}, sets=["tier=mid", "attempt=2"]) | {"key": "a"} == CALL | {
        "tier": "mid", "attempt": 2, "key": "a",
    }  # fmt: skip
    assert mended(CALL, defaults=["id=@position"])["id"] == "c", "an id that is there stays: it tells copies"


def test_an_id_and_a_time_of_the_place_are_the_same_at_every_try() -> None:
    first, second = (mended(without("id", "time"), defaults=["id=@position", "time=@arrived"]) for _ in range(2))
    assert first == second
    assert (first["id"], first["time"]) == ("reject-1-2-33-4", NOW - 5)


def test_only_the_contracts_fields_are_sent() -> None:
    record = CALL | {"prompt": "a secret", "messages": [{"content": "a secret"}], "run_id": "r", "tool_name": None}
    sent = mended(record)
    assert set(sent) - {"key"} <= set(Call.model_fields)
    assert "tool_name" not in sent
    assert sent["key"] == "r"


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (None, "not_an_object"),
        ([CALL], "not_an_object"),
        (without("id"), "missing_field"),
        (CALL | {"input_tokens": "x"}, "wrong_type"),
        (CALL | {"time": NOW + 2 * 86_400_000}, "time_in_future"),
        (CALL | {"agent_id": "\ud800"}, "bad_text"),
        (CALL | {"latency_ms": float("inf")}, "bad_text"),
    ],
)
def test_what_is_no_call_even_then(record: Any, reason: str) -> None:
    assert mended(record).reason == reason


def test_what_the_ledger_cut_is_not_sent_as_if_it_were_whole() -> None:
    long = CALL | {"agent_name": "n" * judge.VALUE_MAX + judge.CUT}
    assert mended(long, whole=False).reason == "cut"
    assert mended(long)["agent_name"].endswith(judge.CUT)
    assert mended(long, whole=False, sets=["agent_name=short"])["agent_name"] == "short"
    assert mended(CALL | {"tags": {str(n): "v" for n in range(judge.TAGS_MAX)}}, whole=False).reason == "cut"
    assert mended(CALL | {"tags": {"a": "v"}}, whole=False)["tags"] == {"a": "v"}


def test_wrong_options_are_all_said() -> None:
    with pytest.raises(UsageError) as caught:
        parse_fix(["tierr=mid", "tier"], ["x=agent", "="], ["tokens"], ["cost"], ["idd=1"])
    text = str(caught.value)
    for part in (
        "'tierr=mid'",
        "--set 'tier'",
        "'agent'",
        "--rename '='",
        "--number 'tokens'",
        "--text 'cost'",
        "'idd'",
    ):
        assert part in text
    assert str(parse_fix(["tier=mid"], ["a=id"])) == 'rename a=id; set tier="mid"'
    assert str(Fix()) == "as it is"


@pytest.mark.parametrize("text", ["", "1/2/3", "1/2/3/4/5", "a/b/c/d", "1/2/3/-4", "1/2/3/٣", "1/2/3/" + "9" * 30])
def test_what_is_no_place(text: str) -> None:
    with pytest.raises(UsageError):
        Place.parse(text)


@given(st.builds(Place, *[st.integers(0, 2**32)] * 4))
def test_a_place_is_read_as_it_is_written(place: Place) -> None:
    assert Place.parse(str(place)) == place


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=50)
NAMES = st.sampled_from([*Call.model_fields, "agent", "prompt"])
RECORDS = st.dictionaries(
    NAMES, SCALARS | st.lists(SCALARS, max_size=3) | st.dictionaries(st.text(), SCALARS, max_size=3)
)


@given(RECORDS | st.just(CALL), st.booleans(), st.lists(NAMES, max_size=3), st.dictionaries(NAMES, st.text(max_size=9)))
def test_whatever_is_sent_is_a_call(record: Any, whole: bool, numbers: list[str], sets: dict[str, str]) -> None:
    known = [name for name in numbers if name in Call.model_fields]
    said = [f"{name}={value}" for name, value in sets.items() if name in Call.model_fields]
    found = mend(record, parse_fix(said, ["agent=agent_id"], known, known), PLACE, NOW, NOW, whole=whole)
    if isinstance(found, Mended):
        verdict = decode([found.value], [NOW])
        assert len(verdict.calls) == 1
        assert not verdict.rejects
    else:
        assert found.reason


@pytest.mark.parametrize(
    ("value", "item", "part"),
    [
        (b'{"a": 1}', 0, {"a": 1}),
        (b'[{"a": 1}, {"b": 2}]', 1, {"b": 2}),
        (b'{"a": 1}\n{"b": 2}\n', 1, {"b": 2}),
        (b'{"a": 1}\n{"b": ', 1, None),
        (b'{"a": ', 0, None),
        (b"[1]", 3, None),
        (None, 0, None),
    ],
)
def test_the_part_of_a_record(value: bytes | None, item: int, part: Any) -> None:
    assert part_of(value, item) == part


def test_mended_lines() -> None:
    lines = [
        ("f:1", json.dumps({"at": str(PLACE), "call": CALL})),
        ("f:2", " "),
        ("f:3", '{"at":"1/1/1/1","call":null}'),
    ]
    assert edited(lines) == {PLACE: CALL}
    with pytest.raises(UsageError, match="f:2"):
        edited([*lines[:1], ("f:2", "{}"), ("f:3", "[1]"), ("f:4", '{"at": "x", "call": {}}'), ("f:5", "{")])
    with pytest.raises(UsageError, match="twice"):
        edited([lines[0], lines[0]])
