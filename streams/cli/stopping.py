"""Runs a command's coroutine so that Ctrl-C and SIGTERM stop it gracefully, and within bounded time.

The first signal cancels the coroutine: its `finally` blocks and context managers flush and close. A second one, or
`exit_within`, ends the process at once: an operator who asks twice means it, and a supervisor waits only so long.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from streams.errors import SpendstreamError

T = TypeVar("T")

SIGNALS = (signal.SIGINT, signal.SIGTERM)


_timers: list[threading.Timer] = []


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
    finally:
        _disarm()


def serve(main: Callable[[asyncio.Event], Coroutine[Any, Any, T]]) -> T:
    """Run a service that ends gracefully when its event is set, which the first signal does: that is success."""
    came: list[int] = []

    async def guarded() -> T:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()

        def ask(number: int) -> None:
            if came:
                exit_now("stopped at once by a second signal")
            came.append(number)
            stop.set()

        for number in SIGNALS:
            loop.add_signal_handler(number, ask, number)
        try:
            return await main(stop)
        finally:
            for number in SIGNALS:
                loop.remove_signal_handler(number)

    try:
        return asyncio.run(guarded())
    finally:
        _disarm()


def exit_within(seconds: float, what: str) -> None:
    """From now on the running `run` or `serve` has so long to return; else the process ends with code 1.

    `what`: said then, such as "the worker did not stop". Covers what asyncio waits for at its end, threads included.
    """
    timer = threading.Timer(seconds, exit_now, [f"{what} within {seconds:g} s"])
    timer.daemon = True
    _timers.append(timer)
    timer.start()


def _disarm() -> None:
    while _timers:
        _timers.pop().cancel()


def exit_now(why: str) -> None:
    """Say why, flush what is logged, and end the process with code 1 without any clean-up."""
    print(f"spendstream: {why}", file=sys.stderr)  # noqa: T201
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(1)
