"""A worker: the Faust app, the meter and usage agents, the HTTP endpoints, from start to graceful stop.

worker = Worker(settings, database)
await worker.start()      # topics and tables are there, partitions are assigned soon after
await worker.stopped()    # returns when `stop` was asked for; raises what stopped the worker otherwise
await worker.stop()       # flushes, acknowledges, commits: a graceful stop loses nothing and repeats nothing
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import socket
import warnings
from collections.abc import Callable

import structlog

from streams.alert.box import NoticeBox
from streams.alert.duty import AlertDuty, wall_ms
from streams.alert.http import IncidentHttp
from streams.app import KafkaSender, Room, attach, create_app
from streams.boards.annotate import AnnotationDuty
from streams.boards.grafana import Grafana
from streams.budgets.duty import BudgetDuty
from streams.changes import ChangesDuty, found_in
from streams.closing.http import ClosingRoutes
from streams.config import Settings
from streams.controls.duty import ControlDuty, Publish
from streams.controls.http import ControlHttp
from streams.controls.publish import ControlSender
from streams.duties import Duties, Duty, epoch_ms
from streams.errors import LedgerError, SpendstreamError, Unavailable
from streams.http.access import access_of
from streams.kafka_admin import ensure_topics
from streams.kafka_security import client_options
from streams.ledger.client import Database
from streams.ledger.migrate import migrate
from streams.ledger.retention import apply_retention
from streams.ledger.store import LedgerStore
from streams.meter.agent import Meter, MeterOptions
from streams.meter.price import Pricer
from streams.metrics import Metrics
from streams.operator_files import OperatorFiles, read_files
from streams.outcomes.agent import OutcomeAgent
from streams.outcomes.store import OutcomeStore
from streams.outcomes.watch import QualityWatch
from streams.page import page_routes
from streams.plans.duty import PlanDuty
from streams.rating.watch import PriceWatch
from streams.repair.http import RepairRoutes
from streams.repair.orders import open_orders
from streams.savings.duty import SavingsDuty
from streams.topics_made import topics_made
from streams.usage.agent import UsageAgent
from streams.usage.http import WorkerHttp
from streams.usage.room import UsageRoom
from streams.watch.agent import Watcher
from streams.watch.tell import StepTeller
from streams.watch.writing import SeatOptions

log = structlog.get_logger("spendstream.worker")


GC_THRESHOLDS = (100_000, 20, 100)
"""A call makes a few dozen objects and no cycle; with Python's default thresholds the collector takes a fifth of the
worker's time looking for one. Cycles (exceptions, closed connections) are still found, every few seconds."""


_LISTEN_S = 3.0
"""How often to look whether the log is to be read again: a question of a millisecond."""


def meter_options(settings: Settings, worker_id: str) -> MeterOptions:
    """What the meter needs of the settings."""
    return MeterOptions(
        worker=worker_id,
        flush_calls=settings.flush_calls,
        flush_seconds=settings.flush_seconds,
        window_calls=settings.dedupe_window_calls,
        usage_cells=settings.usage_cells,
        revoke_seconds=settings.session_timeout_seconds / 2,
    )


def seat_options(settings: Settings, worker_id: str) -> SeatOptions:
    """What the watcher needs of the settings."""
    return SeatOptions(
        worker=worker_id,
        history_days=settings.detect_history_days,
        # The group needs a session to see that a worker is dead, and a moment to give its partitions to another.
        absent_ms=int(max(30.0, 1.5 * settings.session_timeout_seconds) * 1000),
        partitions=settings.detect_partitions,
    )


def windows_kept(settings: Settings) -> dict[str, int]:
    """How many windows of each size stay in memory."""
    return {"1s": settings.window_seconds, "1m": settings.window_minutes, "1h": settings.window_hours}


def duties_of(
    settings: Settings, files: OperatorFiles, database: Database, publish: Publish, metrics: Metrics
) -> list[Duty]:
    """What one worker of the fleet does every few seconds (`streams.duties`)."""
    policies = files.policies
    duties: list[Duty] = [
        AlertDuty(
            database,
            policies,
            worker_name(settings),
            grafana_url=settings.grafana_url,
            on_outcome=lambda channel, state: metrics.notices.labels(channel, state).inc(),
        ),
        ControlDuty(database, policies.controls, publish, clock=wall_ms),
        BudgetDuty(database, files.budgets, NoticeBox(database), controls=policies.controls),
        PriceWatch(database, NoticeBox(database), settings.reported_cost_share),
        PlanDuty(database, files.plans),
        QualityWatch(database),
        SavingsDuty(database, Pricer.default(files.prices)),
        ChangesDuty(database, found_in(settings), worker_name(settings)),
    ]
    token = settings.grafana_token.get_secret_value()
    if settings.grafana_url and token:
        duties.append(AnnotationDuty(database, settings.grafana_url, lambda: Grafana(settings.grafana_url, token)))
    return duties


def worker_name(settings: Settings) -> str:
    """The stable name of this worker."""
    return settings.worker_id or socket.gethostname()


class Worker:
    """One worker process's whole life. Not reusable."""

    def __init__(self, settings: Settings, database: Database, *, duties_clock: Callable[[], int] = epoch_ms) -> None:
        """Reads the operator's files; raises `SettingsError` with what is wrong with them. Connects to nothing yet.

        `duties_clock`: what duties take for now, epoch ms; a demo's company has a clock of its own.
        """
        self.settings = settings
        self.database = database
        self.worker_id = worker_name(settings)
        self.metrics = Metrics()
        self.store = LedgerStore(database)
        self._fault: BaseException | None = None
        self._over = asyncio.Event()
        self._app = create_app(settings, self.worker_id)
        files = read_files(settings, os.environ)
        self.meter = Meter(
            self.store,
            Pricer.default(files.prices),
            files.tiers,
            KafkaSender(self._app),
            self.metrics,
            meter_options(settings, self.worker_id),
            on_fatal=self._fail,
            teller=StepTeller(self.worker_id) if settings.detect else None,
        )
        self.usage = UsageAgent(
            self.store,
            windows_kept(settings),
            on_fatal=self._fail,
        )
        duties = duties_of(settings, files, database, ControlSender(self._app), self.metrics)
        self._to_close = [duty for duty in duties if isinstance(duty, AlertDuty)]
        self.duties = Duties(duties, self.metrics, now_ms=duties_clock)
        self.outcomes = OutcomeAgent(
            OutcomeStore(database),
            self.metrics,
            on_fatal=self._fail,
            revoke_s=settings.session_timeout_seconds / 2,
        )
        self.watcher = Watcher(
            self.store,
            KafkaSender(self._app),
            self.metrics,
            seat_options(settings, self.worker_id) if settings.detect else None,
            self.duties,
            retried=self.meter.retried,
            revoke_seconds=settings.session_timeout_seconds / 4,
        )
        # Readers before who writes to them.
        rooms: list[Room] = [UsageRoom(self.usage, self.meter.retried), self.watcher, self.meter, self.outcomes]
        attach(self._app, rooms)
        self._http = WorkerHttp(
            self.usage,
            self.metrics,
            is_ready=self.is_ready,
            fatal=lambda: None if self._fault is None else str(self._fault) or repr(self._fault),
            extra=[
                *page_routes(database),
                *IncidentHttp(database, KafkaSender(self._app).send).routes(),
                *ControlHttp(database).routes(),
                *RepairRoutes(database).routes,
                *ClosingRoutes(database, files.plans).routes,
            ],
            access=access_of(settings, os.environ),
        )
        self.http_address: tuple[str, int] | None = None
        self._running: asyncio.Task[None] | None = None
        self.wants_restart = False
        """It stopped because its partitions are to be read again: begin with another worker (`streams.keeper`)."""
        self._listening: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Bring tables and topics up to date, listen, and join the group."""
        settings = self.settings
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        gc.set_threshold(*GC_THRESHOLDS)
        applied = await asyncio.to_thread(migrate, self.database)
        if applied:
            log.info("ledger migrated", to=applied[-1].number)
        await asyncio.to_thread(apply_retention, self.database, settings.retention_days)
        report = await ensure_topics(settings.broker_url, topics_made(settings), **client_options(settings))
        for difference in report.differences:
            log.warning("topic differs", difference=difference)
        self.http_address = await self._http.start(settings.http_host, settings.http_port)
        self._running = asyncio.create_task(self._run())
        self._listening = asyncio.create_task(self._listen())
        gc.freeze()
        log.info(
            "worker started", worker=self.worker_id, broker=settings.broker_url, http="{}:{}".format(*self.http_address)
        )

    def is_ready(self) -> bool:
        """Partitions are assigned and being read."""
        return self._app.positions.assigned.is_set()

    async def wait_ready(self, timeout_s: float) -> None:
        """Wait for the first assignment. Raises what stopped the worker, or TimeoutError."""
        over = asyncio.create_task(self._over.wait())
        ready = asyncio.create_task(self._app.positions.assigned.wait())
        try:
            done, _ = await asyncio.wait({over, ready}, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            over.cancel()
            ready.cancel()
        if self._fault is not None:
            raise self._fault
        if not done:
            raise TimeoutError(f"no partitions were assigned within {timeout_s:.0f} s")

    async def _run(self) -> None:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)
                await self._app.start()
            await self._app.wait_until_stopped()
            if not self._over.is_set():
                self._fail(SpendstreamError("the Faust app stopped by itself; its log says why"))
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        if self._fault is None:
            self._fault = error
        self._over.set()

    async def _listen(self) -> None:
        """Stop, to begin again, when somebody asks to read partitions of this worker again."""
        while True:
            await asyncio.sleep(_LISTEN_S)
            try:
                wanted = await asyncio.to_thread(open_orders, self.database)
            except Unavailable:
                continue
            except LedgerError as error:
                log.warning("cannot look for requests to read again", error=str(error))
                continue
            if wanted & set(self.meter.owned):
                self.wants_restart = True
                self._over.set()
                return

    def request_stop(self) -> None:
        """Ask for a graceful stop; `stopped` returns."""
        self._over.set()

    async def stopped(self) -> None:
        """Wait until a stop is asked for or a fault ends the worker; raises the fault."""
        await self._over.wait()
        if self._fault is not None:
            raise self._fault

    async def stop(self) -> None:
        """Flush, acknowledge, commit, leave. After a fault only leave."""
        self._over.set()
        if self._listening is not None:
            self._listening.cancel()
        if self._fault is None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(60):
                    await self.meter.flush()
        with contextlib.suppress(TimeoutError, asyncio.CancelledError):
            async with asyncio.timeout(30):
                await self._app.stop()
        if self._running is not None:
            self._running.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await self._running
        for duty in self._to_close:
            await asyncio.to_thread(duty.close)
        await self._http.stop()
        log.info("worker stopped", worker=self.worker_id)
