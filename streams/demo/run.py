"""One demo from set-up to audit.

1. set up   broker, ledger and worker in this process, on a directory
2. play     the routers publish; meanwhile the ledger is looked at once a second
3. wait     until the ledger has a row for every record published
4. audit    the ledger must add up
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field

from streams.cli.reach import DATABASE, HttpLedger
from streams.demo.company import ROUTERS
from streams.demo.day import HOUR_MS, calls
from streams.demo.figures import Figures, Looker
from streams.demo.flaws import with_flaws
from streams.demo.paying import budgets_now, plans_now
from streams.demo.result import DemoResult
from streams.demo.routers import Routers
from streams.demo.runaways import Runaway, timetable
from streams.embedded.directory import Running
from streams.embedded.system import EmbeddedSystem
from streams.errors import SpendstreamError, Unavailable
from streams.ledger.audit import audit
from streams.ledger.sqlfiles import named_query
from streams.replay.incidents import incidents_when_told
from streams.top import read
from streams.top.figures import Scope

READY_S = 60.0
LOOK_S = 1.0
STALL_S = 60.0
"""How long the ledger may stand still while records are missing in it."""


@dataclass(frozen=True, slots=True)
class DemoPlan:
    """What to play."""

    seconds: float
    speed: float
    """Event seconds a second."""
    seed: int
    clock_ms: int
    """Now, epoch ms: the played day ends before it."""

    @property
    def span_ms(self) -> int:
        """Event time that passes."""
        return max(1000, int(self.seconds * self.speed * 1000))

    @property
    def start_ms(self) -> int:
        """The last seven o'clock (UTC) of a working day from which all lies in the past: no call is of the future."""
        day = 24 * HOUR_MS
        number = (self.clock_ms - self.span_ms - 7 * HOUR_MS) // day
        weekday = (number + 3) % 7  # day 0 was a Thursday
        return (number - max(0, weekday - 4)) * day + 7 * HOUR_MS


@dataclass(slots=True)
class Stage:
    """Where a demo is; written by `run_demo`, read by whoever draws it."""

    plan: DemoPlan
    runaways: tuple[Runaway, ...]
    doing: str = "starting broker, ledger and worker"
    running: Running | None = None
    routers: Routers | None = None
    run_ids: dict[Runaway, str] = field(default_factory=dict)
    """As in the ledger."""
    figures: Figures | None = None
    first_figure_s: float | None = None
    """From the end of the set-up until the first call was seen in the ledger."""
    trouble: str = ""
    """Why the ledger could not be looked at a moment ago."""


def company_ms(stage: Stage) -> int:
    """The company's clock, epoch ms."""
    plan = stage.plan
    return plan.start_ms if stage.routers is None else min(stage.routers.now_ms, plan.start_ms + plan.span_ms)


def stage_of(plan: DemoPlan) -> Stage:
    """A demo that has not begun."""
    return Stage(plan, timetable(plan.seed, plan.start_ms, plan.span_ms))


async def run_demo(
    system: EmbeddedSystem, stage: Stage, stop: asyncio.Event, clock_s: Callable[[], float] = time.monotonic
) -> DemoResult:
    """Play `stage.plan` on a system that was not started yet; the caller stops it afterwards.

    `stop` ends it early, in good order. Raises what stopped the worker, `Unavailable`, `LedgerError`.
    """
    plan, began = stage.plan, clock_s()
    await system.start()
    await system.worker.wait_ready(READY_S)
    reader = HttpLedger(f"http://{system.running.clickhouse}/{DATABASE}", timeout_s=20)
    held = await asyncio.to_thread(read.totals, reader)
    # Calls of an earlier demo on the same directory have other ids: all would be duplicates otherwise.
    prefix = f"demo{plan.seed}-{plan.start_ms // (24 * HOUR_MS)}-{held.rows}"
    stage.run_ids = {runaway: f"{prefix}/{runaway.run_id}" for runaway in stage.runaways}
    scope = Scope(plan.start_ms, plan.start_ms + plan.span_ms)
    looker = Looker(reader, scope, list(stage.run_ids.values()))
    await asyncio.to_thread(looker.before)
    routers = Routers(system.running.broker, ROUTERS, plan.start_ms, plan.speed, clock_s)
    stage.running, stage.routers = system.running, routers
    setup_s = clock_s() - began

    stage.doing = "playing"
    items = with_flaws(calls(plan.seed, plan.start_ms, plan.span_ms, prefix), plan.seed)
    failing = asyncio.create_task(_failure(system))
    looking = asyncio.create_task(_look(stage, looker, routers))
    try:
        await _unless(failing, routers.play(items, stop))
        stage.doing = "waiting for the last calls"
        published = routers.published.total()
        await _unless(failing, _until_there(looker, published, clock_s))
        seconds = routers.elapsed_s
    finally:
        looking.cancel()
        failing.cancel()
        await asyncio.gather(looking, failing, return_exceptions=True)

    stage.doing = "waiting for the watcher"
    await _unless(failing := asyncio.create_task(_failure(system)), _watched(reader))
    failing.cancel()
    await asyncio.gather(failing, return_exceptions=True)
    stage.doing = "adding up"
    plans = await asyncio.to_thread(plans_now, system.database, system.worker.settings.plans_file, routers.now_ms)
    stage.doing = "auditing the ledger"
    clock_ms = _clock_ms()
    stage.figures = figures = await asyncio.to_thread(looker.look, min(routers.now_ms, scope.to_ms), clock_ms)
    whole = await asyncio.to_thread(read.arrivals, reader, clock_ms, seconds + 1)
    report = await asyncio.to_thread(audit, reader)
    stage.doing = "done"
    return DemoResult(
        from_ms=scope.from_ms,
        to_ms=scope.to_ms,
        published=published,
        totals=figures.totals,
        tiers=figures.tiers,
        teams=figures.teams,
        runaways=tuple((r, figures.runs[run_id]) for r, run_id in stage.run_ids.items() if run_id in figures.runs),
        arrivals=whole,
        audit=report,
        seconds=seconds,
        setup_seconds=setup_s,
        flags=figures.flags,
        run_ids=stage.run_ids,
        plans=plans,
        budgets=await asyncio.to_thread(budgets_now, system.database, min(routers.now_ms, scope.to_ms)),
        first_figure_seconds=seconds if stage.first_figure_s is None else stage.first_figure_s,
    )


async def _look(stage: Stage, looker: Looker, routers: Routers) -> None:
    """Look at the ledger once a second; a busy ledger is said, not fatal."""
    while True:
        try:
            stage.figures = await asyncio.to_thread(looker.look, routers.now_ms, _clock_ms())
            stage.trouble = ""
            if stage.first_figure_s is None and stage.figures.totals.calls:
                stage.first_figure_s = routers.elapsed_s
        except Unavailable as error:
            stage.trouble = str(error)
        await asyncio.sleep(LOOK_S if stage.first_figure_s is not None else LOOK_S / 5)


async def _until_there(looker: Looker, published: int, clock_s: Callable[[], float]) -> None:
    """Wait until the ledger has a row for every record. Raises `Unavailable` when it stands still for `STALL_S`."""
    rows, changed = -1, clock_s()
    while (now := await asyncio.to_thread(looker.rows)) < published:
        if now != rows:
            rows, changed = now, clock_s()
        elif clock_s() - changed > STALL_S:
            raise Unavailable(f"the ledger stands still at {now:,} of {published:,} records for {STALL_S:g} s")
        await asyncio.sleep(0.1)


async def _watched(reader: HttpLedger) -> None:
    """Wait until the worker has looked for runaways in all that the ledger holds."""
    rows = await asyncio.to_thread(reader.rows, named_query("log_positions"))
    await incidents_when_told(reader, {int(p): (int(incarnation), 0, int(end)) for p, incarnation, end in rows})


async def _failure(system: EmbeddedSystem) -> None:
    """Ends only with what stopped the worker."""
    await system.worker.stopped()
    raise SpendstreamError("the worker stopped before the demo was done")


async def _unless(failing: asyncio.Task[None], work: Coroutine[None, None, None]) -> None:
    """Do the work; raise what `failing` ends with, should that come first."""
    working = asyncio.create_task(work)
    try:
        await asyncio.wait({working, failing}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            failing.result()
        await working
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)


def _clock_ms() -> int:
    return time.time_ns() // 1_000_000
