"""Prometheus metrics of a worker, and what `/health` says of it. Batches are counted, not calls one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

if TYPE_CHECKING:
    from streams.meter.rows import Metered
    from streams.transport import RecordBatch

_OUTCOMES = ("call", "duplicate", "reject", "moved", "gap")


class Metrics:
    """All metrics of one worker, in a registry of their own."""

    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry()
        self.records = Counter("spendstream_records_total", "Kafka records taken.", ["partition"], registry=registry)
        self.rows = Counter(
            "spendstream_ledger_rows_total", "Rows written to the ledger.", ["outcome"], registry=registry
        )
        self.rejects = Counter("spendstream_rejects_total", "Rejected calls.", ["reason"], registry=registry)
        self.unpriced = Counter("spendstream_unpriced_calls_total", "Calls without a price.", registry=registry)
        self.cost = Counter(
            "spendstream_cost_usd_total", "Computed cost (a float: the ledger is exact).", registry=registry
        )
        self.tokens = Counter("spendstream_tokens_total", "Tokens of new calls.", ["direction"], registry=registry)
        self.lag = Gauge("spendstream_lag_records", "Records not yet taken.", ["partition"], registry=registry)
        self.delay = Histogram(
            "spendstream_record_to_ledger_seconds",
            "From the Kafka record's timestamp to its row in the ledger, newest record of each batch.",
            buckets=(0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 60, 600),
            registry=registry,
        )
        self.meter_seconds = Counter(
            "spendstream_meter_seconds_total", "Time in decode, de-duplicate, price.", registry=registry
        )
        self.insert_seconds = Histogram(
            "spendstream_insert_seconds",
            "A ledger insert, retries included.",
            buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30),
            registry=registry,
        )
        self.inserts = Counter("spendstream_inserts_total", "Ledger inserts.", registry=registry)
        self.cells = Counter("spendstream_usage_cells_total", "Usage cells published.", registry=registry)
        self.ledger_lookups = Counter(
            "spendstream_ledger_lookups_total",
            "Calls older than the window, looked up in the ledger.",
            registry=registry,
        )
        self.partitions = Gauge("spendstream_owned_partitions", "Partitions of calls owned.", registry=registry)
        self.retrying = Gauge("spendstream_retrying", "1 while a step waits for a server.", ["step"], registry=registry)
        self.troubles: dict[str, str] = {}
        """Steps that wait for a server now, and why."""

    def batch(self, metered: Metered, batch: RecordBatch, seconds: float) -> None:
        """A batch went through the pure steps."""
        self.records.labels(str(batch.partition)).inc(len(batch.records))
        if batch.highwater is not None:
            self.lag.labels(str(batch.partition)).set(max(0, batch.highwater - batch.records[-1].offset - 1))
        self.meter_seconds.inc(seconds)

    def insert(self, rows: int, seconds: float) -> None:
        """An insert was done."""
        self.inserts.inc()
        self.insert_seconds.observe(seconds)

    def written(self, metered: Metered, ingested_ms: int) -> None:
        """A batch is in the ledger."""
        counts = np.bincount(metered.outcome, minlength=len(_OUTCOMES) + 1)
        for refused in metered.refused:
            counts[refused.outcome] += 1
            if refused.reason:
                self.rejects.labels(refused.reason).inc()
        for code, outcome in enumerate(_OUTCOMES, start=1):
            if counts[code]:
                self.rows.labels(outcome).inc(int(counts[code]))
        new = metered.outcome == 1
        if new.any():
            self.unpriced.inc(int((new & ~metered.priced).sum()))
            self.cost.inc(float(metered.cost_pico[metered.priced].sum()) / 1e12)
            self.tokens.labels("input").inc(int(metered.columns.ints("input_tokens")[new].sum()))
            self.tokens.labels("output").inc(int(metered.columns.ints("output_tokens")[new].sum()))
        if metered.columns.size:
            self.delay.observe(max(0.0, (ingested_ms - int(metered.arrived_ms.max())) / 1000))

    def trouble(self, step: str, why: str | None) -> None:
        """A step waits for a server (`why`), or went through (None)."""
        if why is None:
            if self.troubles.pop(step, None) is not None:
                self.retrying.labels(step).set(0)
        else:
            self.troubles[step] = why
            self.retrying.labels(step).set(1)

    def text(self) -> bytes:
        """The metrics in Prometheus' text format."""
        return generate_latest(self.registry)
