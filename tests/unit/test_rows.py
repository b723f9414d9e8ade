"""Calls as columns and the Arrow table of an insert."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.meter.rows import FIELDS, CallColumns, ledger_table, money
from streams.money import PICO
from tests.fakes import BASE_MS, Steps, batch, batch_of, call, partition_meter, record

COST_MOST = 999_999 * PICO + PICO - 1


@pytest.fixture(scope="module")
def steps() -> Steps:
    return Steps()


@settings(deadline=None)
@given(costs=st.lists(st.tuples(st.integers(0, COST_MOST), st.booleans()), max_size=40))
def test_money_is_exact_and_null_where_unknown(costs: list[tuple[int, bool]]) -> None:
    amounts = np.array([amount for amount, _ in costs], dtype=np.int64)
    known = np.array([flag for _, flag in costs], dtype=np.bool_)
    column = money(amounts, known)
    column.validate(full=True)
    assert column.type == pa.decimal128(18, 12)
    assert column.to_pylist() == [Decimal(amount).scaleb(-12) if flag else None for amount, flag in costs]


def test_absent_counts_are_zero_and_absent_columns_are_left_out(steps: Steps) -> None:
    calls = (call("a"), call("b", cache_read_input_tokens=7), call("c", cache_read_input_tokens=0))
    columns = steps.run(partition_meter(), batch_of(*calls)).columns
    assert columns.ints("cache_read_input_tokens").tolist() == [0, 7, 0]
    assert columns.ints("input_tokens").tolist() == [1000] * 3
    assert columns.arrow("run_id") is None
    counts = columns.arrow("cache_read_input_tokens")
    assert counts is not None
    assert [count or 0 for count in counts.to_pylist()] == [0, 7, 0]


def test_no_calls_have_empty_columns() -> None:
    columns = CallColumns([])
    assert [columns[name] for name in FIELDS] == [()] * len(FIELDS)
    assert columns.ints("time").tolist() == []
    assert columns.arrow("time") is None


def test_a_flush_of_calls_and_rejects_of_several_partitions_is_one_table(steps: Steps) -> None:
    batches = [
        steps.run(partition_meter(0, epoch=3), batch_of(call("a", run_id="r"), call("a", run_id="r"))),
        steps.run(partition_meter(1, epoch=4, incarnation=2), batch([record(b"{", 7, partition=1)], 5)),
        steps.run(
            partition_meter(0, incarnation=5), batch_of(call("b", tags={"k": "v"}, reported_cost="0.000000000001"))
        ),
    ]
    columns, table = ledger_table(batches, BASE_MS + 9)
    assert [name for name, _ in columns] == table.column_names
    assert table.num_rows == 5
    assert all(column.num_chunks <= 1 for column in table.columns), (
        "one Arrow batch is one block, and a block is atomic"
    )
    rows = table.to_pylist()
    assert {row["ingested_at"].timestamp() for row in rows} == {(BASE_MS + 9) / 1000}, "one month of ingestion"
    key = [
        (r["partition"], r["incarnation"], r["epoch"], r["offset"], r["item"], r["through"], r["outcome"]) for r in rows
    ]
    assert key == [
        (0, 1, 3, 0, 0, 0, 1),
        (0, 1, 3, 1, 0, 1, 2),
        (1, 2, 4, 5, 0, 6, 5),
        (1, 2, 4, 7, 0, 7, 3),
        (0, 5, 1, 0, 0, 0, 1),
    ]
    assert [row["id"] for row in rows] == ["a", "a", None, None, "b"]
    assert [row["run_id"] for row in rows] == ["r", "r", None, None, None]
    assert [row["tags"] for row in rows] == [None, None, None, None, [("k", "v")]]
    assert rows[4]["reported_cost"] == Decimal("1e-12")
    assert [row["cost_usd"] for row in rows] == [Decimal("0.0035"), None, None, None, Decimal("0.0035")]
    assert [row["reason"] for row in rows] == [None, None, "log_gap", "not_json", None]
    assert rows[3]["payload"] == "{"


def test_only_rejects_make_a_table_too(steps: Steps) -> None:
    columns, table = ledger_table(
        [steps.run(partition_meter(), batch([record(None, 0), record(b"[]", 1)], 0))], BASE_MS
    )
    assert table.num_rows == 2
    assert "id" not in table.column_names
    assert dict(columns)["reason"] == "String"


def test_a_record_without_a_timestamp(steps: Steps) -> None:
    _, table = ledger_table(
        [steps.run(partition_meter(), batch([record(b"{}", 0, timestamp=-1), record(b"{}", 1)], 0))], BASE_MS
    )
    assert table.column("arrived_at").cast(pa.int64()).to_pylist() == [-1, BASE_MS]
