"""Records of the steps topic: what the meter wrote comes out as it went in, however it is split."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.meter.route import Router
from streams.meter.rows import CALL
from streams.watch import tell
from streams.watch.action import action_record
from streams.watch.record import END, Part, StepCall, code, decode_steps, encode_steps, pack, unpack
from streams.watch.tell import StepTeller
from tests.fakes import BASE_MS, Steps, batch, batch_of, call, partition_meter, record, value

WALL = BASE_MS + 5_000

FULL: dict[str, Any] = {
    "run_id": "r", "parent_agent_id": "boss", "status": "error", "attempt": 3, "retry_of": "b", "tenant_id": "acme",
    "request_fingerprint": "f",
}  # fmt: skip


def teller(partitions: int = 1) -> StepTeller:
    made = StepTeller("w")
    made.begin(Router(partitions))
    made.take(0, 1, 1, 0, None)
    return made


def told(records: list[tuple[int, bytes]]) -> list[Part]:
    return [part for _, value in records for part in decode_steps(value).parts]


def calls_of(parts: list[Part]) -> list[StepCall]:
    return [one for part in parts if part.rows for one in part.rows.calls()]


def test_every_field_that_the_detector_sees_arrives() -> None:
    metered = Steps().run(
        partition_meter(), batch_of(call("a"), call("b", **FULL), call("c", request_model="in-house"))
    )
    telling = teller().tell([metered], {0: 3}, WALL)
    parts = told(telling.records)
    seen = calls_of(parts)
    assert [one.id for one in seen] == ["a", "b", "c"]
    cost = int(metered.cost_pico[0])
    plain = StepCall("a", BASE_MS, "agent", "gpt-4o", 1000, 100, None, None, "openai", "ok", None, None, None, cost)
    full = StepCall("b", BASE_MS, "agent", "gpt-4o", 1000, 100, "r", "boss", "openai", "error", 3, "b", "f", cost)
    assert seen[:2] == [plain, full]
    assert cost > 0
    assert seen[2].cost_pico is None
    assert [(part.after, part.through, part.watermark_ms, part.at_end) for part in parts] == [
        ((-1, END), (2, END), BASE_MS, False),
        ((2, END), (2, END), BASE_MS, True),
    ]


def test_only_new_calls_are_told_and_rejects_move_the_cursor() -> None:
    metered = Steps().run(
        partition_meter(), batch([record(value(call("a")), 0), record(value(call("a")), 1), record(b"no", 2)], 0)
    )
    parts = told(teller().tell([metered], {0: 4}, WALL).records)
    assert [one.id for one in calls_of(parts)] == ["a"]
    assert parts[-1].through == (2, END)
    assert not any(part.at_end for part in parts), "the log holds one more"


def test_what_was_not_sent_is_told_again() -> None:
    made = teller()
    metered = Steps().run(partition_meter(), batch_of(call("a")))
    assert made.tell([metered], {}, WALL).records == made.tell([metered], {}, WALL).records
    made.done(made.tell([metered], {}, WALL))
    [tick] = told(made.tell([], {0: 1}, WALL).records)
    assert (tick.after, tick.through, tick.at_end, tick.rows) == ((0, END), (0, END), True, None)
    made.drop(0)
    assert made.tell([metered], {}, WALL).records == []


def test_of_an_owner_before_nothing_is_told() -> None:
    made = teller()
    made.take(0, 1, 2, 5, None)
    metered = Steps().run(partition_meter(epoch=1), batch_of(call("a")))
    assert calls_of(told(made.tell([metered], {}, WALL).records)) == []


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 5), min_size=1, max_size=12), st.integers(400, 3_000), st.integers(1, 3))
def test_long_flushes_are_split_into_stretches_that_follow_each_other(
    items: list[int], most: int, partitions: int
) -> None:
    names = iter(range(10_000))
    records = [
        record(
            value(
                *(call(f"c{next(names)}", tenant_id=f"t{number % 4}", time=BASE_MS + number) for number in range(count))
            ),
            at,
        )
        for at, count in enumerate(items)
    ]
    metered = Steps().run(partition_meter(), batch(records, 0))
    assert (metered.outcome == CALL).all()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(tell, "MAX_BYTES", most)
        records_told = teller(partitions).tell([metered], {0: len(items)}, WALL).records
    for number in range(partitions):
        parts = told([one for one in records_told if one[0] == number])
        assert [part.after for part in parts] == [(-1, END), *(part.through for part in parts[:-1])]
        assert parts[-1].through == (len(items) - 1, END)
        assert [part.at_end for part in parts] == [False] * (len(parts) - 1) + [True]
        watermarks = [part.watermark_ms or 0 for part in parts]
        assert watermarks == sorted(watermarks)
        for part in parts:
            if part.rows:
                assert max(one.time for one in part.rows.calls()) <= (part.watermark_ms or 0)
                assert all(part.rows.beyond(part.after))
                assert not any(part.rows.beyond(part.through))
    everybody = sorted(one.id for one in calls_of(told(records_told)))
    assert everybody == sorted(metered.columns["id"])


@given(st.lists(st.integers(-(2**62), 2**62 - 1), max_size=50))
def test_integers_are_packed_exactly(numbers: list[int]) -> None:
    column = np.array(numbers, dtype=np.int64)
    assert unpack(pack(column), len(numbers)).tolist() == numbers


@given(st.lists(st.none() | st.text(max_size=3), max_size=400))
def test_texts_are_coded_exactly(names: list[str | None]) -> None:
    coded = code(names)
    assert len(coded.codes) in (0, len(names), 2 * len(names))
    from streams.watch.record import _texts

    assert list(_texts(coded, len(names))) == names


@pytest.mark.parametrize(
    "bad", [None, b"", b"{}", b"\xc1", encode_steps("w", 1, [])[:-1], b"\x95\x02\xa1w\x01\x90\x90"]
)
def test_what_is_no_record_is_refused(bad: bytes | None) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        decode_steps(bad)


def test_an_action_is_a_record_of_its_incidents_partition() -> None:
    record = action_record("inc-1", "silence", by="ada", reason="known", at_ms=5, partition=3, until_ms=9)
    [action] = decode_steps(record.value).actions
    assert (record.partition, action.incident_id, action.action, action.by, action.until_ms) == (
        3,
        "inc-1",
        "silence",
        "ada",
        9,
    )
    assert len(action.id) == 16
    with pytest.raises(ValueError, match="until_ms"):
        action_record("inc-1", "silence", by="ada", reason="", at_ms=5, partition=0)
