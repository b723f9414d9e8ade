"""Runs a command's coroutine so that Ctrl-C and SIGTERM stop it gracefully, and within bounded time.

The first signal cancels the coroutine: its `finally` blocks and context managers flush and close. A second one, or
`Watchdog`, ends the process at once: an operator who asks twice means it, and a supervisor waits only so long.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, TypeVar

from streams.errors import SpendstreamError

T = TypeVar("T")

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopped(SpendstreamError):
    """A signal ended the command before it was done."""


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run to the end and return the result. Raises `Stopped` when a signal came first."""
    came: list[int] = []

    async def guarded() -> T:
        task = asyncio.ensure_future(main)
        loop = asyncio.get_running_loop()

        def stop(number: int) -> None:
            if came:
                exit_now("stopped at once by a second signal")
            came.append(number)
            task.cancel()

        for number in SIGNALS:
            loop.add_signal_handler(number, stop, number)
        try:
            return await task
        finally:
            for number in SIGNALS:
                loop.remove_signal_handler(number)

    try:
        return asyncio.run(guarded())
    except asyncio.CancelledError:
        if came:
            raise Stopped(f"stopped by {signal.Signals(came[0]).name}") from None
        raise


class Watchdog:
    """Ends the process with code 1 when the block takes longer than `seconds`, whatever hangs in it."""

    def __init__(self, seconds: float, what: str) -> None:
        """`what`: said on standard error, such as "the worker did not stop"."""
        self._timer = threading.Timer(seconds, exit_now, [f"{what} within {seconds:g} s"])
        self._timer.daemon = True

    def __enter__(self) -> Watchdog:
        self._timer.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._timer.cancel()


def exit_now(why: str) -> None:
    """Say why, flush what is logged, and end the process with code 1 without any clean-up."""
    print(f"spendstream: {why}", file=sys.stderr)  # noqa: T201
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(1)
