"""Contender: the real worker with everything on: chDB ledger, usage agent, HTTP endpoints.

The clock runs from the moment partitions are assigned until the ledger holds every call and every batch is settled
(may be committed). What the ledger holds is then counted by a query, so that nothing can be left out.
"""

from __future__ import annotations

import asyncio
import cProfile
import sys
import time
from itertools import pairwise
from pathlib import Path

from streams.bench.probe import Moment, peak_rss_mb, rss_mb, thread_cpu
from streams.bench.spec import Result, Task
from streams.config import Settings, load_settings
from streams.ledger.client import Database
from streams.logs import configure_logs
from streams.worker import Worker

_LOOK_S = 0.01
_QUIET_S = 10.0  # background merges of a drained ledger end well within this


def settings_of(task: Task) -> Settings:
    """A worker's settings as they are by default, but for addresses and names."""
    return load_settings(
        {},
        broker_url=task.bootstrap,
        clickhouse_url=f"chdb://{task.directory}/ledger",
        worker_id=task.group,
        group_id=task.group,
        data_dir=Path(task.directory) / "worker",
        partitions=task.partitions,
        detect=task.detect,
        session_timeout_seconds=60,  # a worker that is held while the load is published stays a member
        http_port=0,
    )


async def run(task: Task) -> Result:
    """Drain the topic into an empty ledger."""
    configure_logs("warning", "json")
    database = Database(f"chdb://{task.directory}/ledger", create=True)
    worker = Worker(settings_of(task), database)
    profile = cProfile.Profile(builtins=False) if task.profile else None
    await worker.start()
    try:
        await worker.wait_ready(60)
        threads = thread_cpu()
        began = Moment.now()
        if profile:
            profile.enable()
        curve = await _until_done(worker, task, began)
        if profile:
            profile.disable()
            profile.dump_stats(task.profile)
        used = Moment.now().since(began)
        by_thread = _difference(threads, thread_cpu())
        resident, peak = rss_mb(), peak_rss_mb()
        rows = database.rows("SELECT outcome, count() FROM intake GROUP BY outcome")
        held = {str(outcome): int(count) for outcome, count in rows}
        if held.get("call") != task.calls:
            raise RuntimeError(f"the ledger holds {held}, {task.calls} calls were published")
        threads = thread_cpu()
        merged = await _merge_debt()
        after = _difference(threads, thread_cpu())
        return Result(
            task.contender, task.calls, used.wall_s, used.cpu_s, resident, peak,
            {
                "cpu_s_by_thread": by_thread,
                "later_cpu_s": round(merged, 3),
                "later_cpu_s_by_thread": after,
                "cells": int(worker.metrics.cells._value.get()),
                "inserts": int(worker.metrics.inserts._value.get()),
                "usage_applied": worker.usage.size,
                "curve": curve,
            },
        )  # fmt: skip
    finally:
        await worker.stop()
        database.close()


async def _until_done(worker: Worker, task: Task, began: Moment) -> list[tuple[int, float, float]]:
    """Wait until all calls are written and settled; (calls, CPU s, wall s) at about every `task.marks` calls."""
    written = worker.metrics.rows.labels("call")._value
    deadline = time.monotonic() + 1800
    curve: list[tuple[int, float, float]] = []
    following = task.marks or task.calls
    while True:
        count = int(written.get())
        if task.marks and count >= following:
            at = Moment.now().since(began)
            curve.append((count, at.cpu_s, at.wall_s))
            following = count - count % task.marks + task.marks
            # Read by the feeder (`streams.bench.feed`), which stays a bounded number of calls ahead.
            sys.stdout.write(f"{count}\n")
            sys.stdout.flush()
        if count >= task.calls and (not task.detect or worker.watcher.seen >= task.calls):
            return curve
        if worker._fault is not None:
            raise worker._fault
        if time.monotonic() > deadline:
            raise TimeoutError(f"{count} of {task.calls} calls after half an hour")
        await asyncio.sleep(_LOOK_S)


async def _merge_debt() -> float:
    """CPU seconds that the process still used until it was idle: merges that the drain left behind."""
    began = Moment.now()
    moments = [began]
    while moments[-1].wall_s - began.wall_s < _QUIET_S:
        await asyncio.sleep(0.5)
        moments.append(Moment.now())
        if len(moments) > 4 and all(b.cpu_s - a.cpu_s < 0.05 for a, b in pairwise(moments[-4:])):
            break
    return moments[-1].cpu_s - began.cpu_s


def _difference(before: dict[str, float], after: dict[str, float]) -> dict[str, float]:
    used = {name: after[name] - before.get(name, 0.0) for name in after}
    return {name: round(cpu, 2) for name, cpu in sorted(used.items(), key=lambda item: -item[1]) if cpu >= 0.02}
