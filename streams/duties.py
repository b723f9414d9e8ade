"""Work that one worker of the fleet does every few seconds: deliver notices, look at budgets, close periods.

The worker that owns partition 0 of `spendstream.steps` runs all duties, each in a thread of its own rhythm; when the
partition moves, the duties move with it. For a moment two workers may run the same one (the old owner has not heard
yet), so a duty's work must be safe to do twice: keyed rows, ids that say what was done.

A duty that finds a server away (`Unavailable`) is run again later and shown as waiting; any other fault is logged and
shown in `/health` until the duty succeeds. Neither ends the worker.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from typing import Protocol

import structlog

from streams.errors import Unavailable
from streams.metrics import Metrics

log = structlog.get_logger("spendstream.duties")

_WAIT_MOST_S = 30.0
"""The longest a duty that failed waits for its next turn."""


def epoch_ms() -> int:
    """The clock, epoch ms."""
    return time.time_ns() // 1_000_000


class Duty(Protocol):
    """One duty. `run` blocks, in a thread; a `Duty` is never run twice at the same time in one process."""

    name: str
    """Short, in lower case: names it in logs, in `/health` and in metrics."""
    every_s: float
    """Seconds from the end of one run to the next."""

    def run(self, now_ms: int) -> None:
        """Do what is due at `now_ms` (epoch ms). Raises `Unavailable` to be run again later."""
        ...


class Duties:
    """Runs duties while this worker is the one to do so."""

    def __init__(
        self,
        duties: Sequence[Duty],
        metrics: Metrics,
        *,
        now_ms: Callable[[], int] = epoch_ms,
    ) -> None:
        self._duties = tuple(duties)
        self._metrics = metrics
        self._now_ms = now_ms
        self._running: list[asyncio.Task[None]] = []
        self._wanted = {duty.name: asyncio.Event() for duty in self._duties}

    @property
    def active(self) -> bool:
        """This worker runs the duties now."""
        return bool(self._running)

    def start(self) -> None:
        """Begin; does nothing when they run already."""
        if not self._running:
            self._running = [asyncio.create_task(self._repeat(duty), name=duty.name) for duty in self._duties]

    def wake(self, name: str) -> None:
        """There is something to do for a duty: its next run is due now, where it is run here."""
        wanted = self._wanted.get(name)
        if wanted is not None:
            wanted.set()

    async def stop(self, timeout_s: float = 10.0) -> None:
        """End; what is being done may finish within `timeout_s`."""
        running, self._running = self._running, []
        for task in running:
            task.cancel()
        if running:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    await asyncio.gather(*running, return_exceptions=True)

    async def _repeat(self, duty: Duty) -> None:
        failures = 0
        wanted = self._wanted[duty.name]
        while True:
            wanted.clear()
            failures = 0 if await self._once(duty) else failures + 1
            pause = duty.every_s if not failures else max(duty.every_s, min(_WAIT_MOST_S, 0.5 * 2**failures))
            if failures:
                await asyncio.sleep(pause)
                continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await wanted.wait()

    async def _once(self, duty: Duty) -> bool:
        work = asyncio.create_task(asyncio.to_thread(duty.run, self._now_ms()))
        try:
            await asyncio.shield(work)
        except asyncio.CancelledError:
            # A thread cannot be stopped: let it end, so that the next owner's run and this one overlap little.
            await asyncio.gather(work, return_exceptions=True)
            raise
        except Unavailable as error:
            self._metrics.trouble(f"duty {duty.name}", str(error))
            log.warning("duty waits", duty=duty.name, error=str(error))
            return False
        except Exception as error:
            self._metrics.trouble(f"duty {duty.name}", None)
            self._metrics.fault(f"duty {duty.name}", str(error) or repr(error))
            log.error("duty failed", duty=duty.name, error=repr(error), exc_info=error)
            return False
        self._metrics.trouble(f"duty {duty.name}", None)
        self._metrics.fault(f"duty {duty.name}", None)
        return True
