"""Looks at everything in one go; what cannot be asked is a finding, never an exception."""

from __future__ import annotations

import asyncio
import logging
import os
from datetime import UTC, datetime
from pathlib import Path

from streams.config import Settings
from streams.doctor import broker, ledger, local, worker
from streams.doctor.finding import Finding
from streams.errors import SpendstreamError
from streams.kafka_security import options_for


def examine(settings: Settings, embedded: Path | None) -> list[Finding]:
    """All findings, in the order in which things depend on each other. Changes nothing; blocks for half a minute at
    most."""
    from streams.meter.price.book import book_info

    # aiokafka logs every attempt to connect as an error; the finding says it once.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    now = datetime.now(UTC)
    findings = local.file_findings(settings, os.environ)
    findings.append(local.book_finding(book_info(), now.date()))
    if embedded is not None:
        return findings + _directory(embedded, settings)
    findings.append(local.disk_of(settings.data_dir))
    clickhouse_url = settings.clickhouse_url.get_secret_value()
    host, port = settings.http_host, settings.http_port
    findings += _system(settings, settings.broker_url, clickhouse_url, None, host, port)
    return findings


def _directory(embedded: Path, settings: Settings) -> list[Finding]:
    from streams.embedded.directory import find_running
    from streams.embedded.system import RETENTION_HOURS

    if not (embedded / "ledger").is_dir():
        todo = f"`spendstream worker --embedded {embedded}` makes one, and so do demo and replay"
        return [Finding("directory", "fail", f"{embedded} is no embedded directory", todo)]
    findings = [local.disk_of(embedded)]
    try:
        running = find_running(embedded)
    except SpendstreamError as error:
        return [*findings, Finding("directory", "warn", str(error), "look again in a minute")]
    if running is None:
        todo = f"start it: `spendstream worker --embedded {embedded}`"
        findings.append(Finding("directory", "warn", f"nobody runs {embedded}: no broker, no worker", todo))
        return findings + _ledger(embedded, "", server=False, ends=None)
    findings.append(Finding("directory", "ok", f"{embedded} is run by process {running.pid}"))
    host, _, port = running.api.rpartition(":")
    kept = min(settings.calls_retention_hours, RETENTION_HOURS)
    settings = settings.model_copy(update={"calls_retention_hours": kept})
    return findings + _system(settings, running.broker, "", embedded, host, int(port))


def _system(
    settings: Settings, bootstrap: str, clickhouse_url: str, embedded: Path | None, host: str, port: int
) -> list[Finding]:
    asked = asyncio.run(broker.look(bootstrap, settings.group_id, options_for(embedded, settings)))
    now_ms = int(datetime.now(UTC).timestamp() * 1000)
    findings = broker.judge(bootstrap, asked, settings, now_ms)
    ends = None
    if not isinstance(asked, str):
        ends = {part: (asked.first.get(part, 0), end) for part, end in asked.end.items()}
    findings += _ledger(embedded, clickhouse_url, server=embedded is None, ends=ends)
    tls = settings.http_tls_certificate is not None
    token = settings.token.get_secret_value()
    findings.append(worker.look(host, port, must=embedded is not None, token=token, tls=tls))
    return findings


def _ledger(
    embedded: Path | None, clickhouse_url: str, *, server: bool, ends: dict[int, tuple[int, int]] | None
) -> list[Finding]:
    from streams.cli.older import todo_at
    from streams.cli.reach import reach

    try:
        todo = todo_at(embedded)  # asked before the directory is ours: then we would be who holds it
        with reach(embedded, clickhouse_url) as door:
            return ledger.look(door, server=server, ends=ends, todo=todo)
    except SpendstreamError as error:
        return [Finding("database", "fail", str(error), "mend what it says, and look again")]
