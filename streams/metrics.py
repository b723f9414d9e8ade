"""Prometheus metrics of a worker, and what `/health` says of it. Batches are counted, not calls one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.detect import Signal
    from streams.meter.rows import Metered
    from streams.transport import RecordBatch
    from streams.watch.fold import Change

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
        self.detect_lag = Gauge(
            "spendstream_detect_lag_seconds",
            "How far the watcher is behind what the meter wrote: age of the last record of the steps topic it took.",
            registry=registry,
        )
        self.detect_held = Gauge(
            "spendstream_detect_held_calls", "Calls that wait for their turn in event time.", registry=registry
        )
        self.detect_late = Gauge(
            "spendstream_detect_late_calls", "Calls that came after their turn; they are looked at all the same.",
            registry=registry,
        )  # fmt: skip
        self.detect_forced = Gauge(
            "spendstream_detect_forced_calls", "Calls looked at before their turn, because too many waited.",
            registry=registry,
        )  # fmt: skip
        self.detect_gaps = Counter(
            "spendstream_detect_gap_calls_total", "Calls that the watcher read from the ledger, not from the topic.",
            registry=registry,
        )  # fmt: skip
        self.signals = Counter("spendstream_signals_total", "Limits crossed.", ["kind"], registry=registry)
        self.changes = Counter(
            "spendstream_incident_changes_total", "Changes of incidents.", ["change", "kind"], registry=registry
        )
        self.notices = Counter(
            "spendstream_notices_total", "Tries to deliver a notice.", ["channel", "state"], registry=registry
        )
        self.open_incidents = Gauge("spendstream_open_incidents", "Incidents that are open now.", registry=registry)
        self.checkpoint_seconds = Counter(
            "spendstream_detect_checkpoint_seconds_total", "Time in checkpoints of the watcher.", registry=registry
        )
        self.checkpoint_bytes = Counter(
            "spendstream_detect_checkpoint_bytes_total", "State written by checkpoints.", registry=registry
        )
        self.troubles: dict[str, str] = {}
        """Steps that wait for a server now, and why."""
        self.faulty = Gauge(
            "spendstream_fault", "1 while something beside metering has failed: /health says why.", ["what"],
            registry=registry,
        )  # fmt: skip
        self.faults: dict[str, str] = {}
        """What beside metering has failed, and why."""

    def fault(self, what: str, why: str | None) -> None:
        """Something beside metering failed for good (`why`), or works again (None): `/health` says it."""
        if why is None:
            self.faults.pop(what, None)
        else:
            self.faults[what] = why
        self.faulty.labels(what).set(why is not None)

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

    def detected(
        self, signals: Sequence[Signal], changes: Sequence[Change], still_open: int, late: int, forced: int
    ) -> None:
        """The watcher wrote signals and changes."""
        for signal in signals:
            self.signals.labels(signal.kind).inc()
        for one in changes:
            self.changes.labels(one.change, one.incident.kind).inc()
        self.open_incidents.set(still_open)
        self.detect_late.set(late)
        self.detect_forced.set(forced)

    def checkpoint(self, seconds: float, size: int) -> None:
        """A checkpoint was written."""
        self.checkpoint_seconds.inc(seconds)
        self.checkpoint_bytes.inc(size)

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
