"""Metrics are counted from batches and agree with the batches."""

from __future__ import annotations

from streams.metrics import Metrics
from streams.transport import RecordBatch
from tests.fakes import BASE_MS, Steps, batch, call, partition_meter, record, value

P = "spendstream_"


def sample(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(P + name, labels)


def test_a_batch_is_counted_once_and_by_outcome() -> None:
    metrics = Metrics()
    values = [
        value(call("a"), call("a"), call("b", request_model="none-such")),
        b"{",
        value(call("c", input_tokens=-1)),
        value(call("d")),
    ]
    records = [record(raw, offset) for raw, offset in zip(values, (0, 1, 2, 9), strict=True)]
    taken = RecordBatch("spendstream.calls", 0, records, 0, 15)
    metered = Steps().run(partition_meter(), taken)
    metrics.batch(metered, taken, 0.25)
    metrics.insert(metered.rows, 0.02)
    metrics.written(metered, BASE_MS + 700)
    assert sample(metrics, "records_total", partition="0") == 4
    assert sample(metrics, "lag_records", partition="0") == 5
    found = {
        outcome: sample(metrics, "ledger_rows_total", outcome=outcome)
        for outcome in ("call", "duplicate", "reject", "gap")
    }
    assert found == {"call": 3, "duplicate": 1, "reject": 2, "gap": 1}
    assert sum(count or 0 for count in found.values()) == metered.rows
    assert sample(metrics, "rejects_total", reason="not_json") == 1
    assert sample(metrics, "rejects_total", reason="out_of_range") == 1
    assert sample(metrics, "unpriced_calls_total") == 1
    assert sample(metrics, "tokens_total", direction="input") == 3000
    assert sample(metrics, "tokens_total", direction="output") == 300
    assert round(sample(metrics, "cost_usd_total") or 0, 9) == 0.007
    assert sample(metrics, "inserts_total") == 1
    assert sample(metrics, "record_to_ledger_seconds_sum") == 0.7
    assert sample(metrics, "meter_seconds_total") == 0.25


def test_a_batch_of_rejects_only() -> None:
    metrics = Metrics()
    taken = batch([record(None, 0)], 0)
    metered = Steps().run(partition_meter(), taken)
    metrics.batch(metered, taken, 0.0)
    metrics.written(metered, BASE_MS)
    assert sample(metrics, "ledger_rows_total", outcome="reject") == 1
    assert sample(metrics, "ledger_rows_total", outcome="call") is None
    assert sample(metrics, "unpriced_calls_total") == 0


def test_troubles_come_and_go() -> None:
    metrics = Metrics()
    metrics.trouble("insert", None)
    assert metrics.troubles == {}
    metrics.trouble("insert", "gone")
    metrics.trouble("publish", "gone too")
    assert metrics.troubles == {"insert": "gone", "publish": "gone too"}
    assert sample(metrics, "retrying", step="insert") == 1
    metrics.trouble("insert", None)
    assert metrics.troubles == {"publish": "gone too"}
    assert sample(metrics, "retrying", step="insert") == 0


def test_two_workers_in_a_process_do_not_share_counts() -> None:
    first, second = Metrics(), Metrics()
    first.inserts.inc()
    assert sample(second, "inserts_total") == 0
    assert b"spendstream_inserts_total 1.0" in first.text()
