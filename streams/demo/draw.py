"""Keeps a demo's screen up to date; where there is no terminal, says a line every few seconds instead."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import TextIO

from rich.console import Console
from rich.live import Live

from streams.demo.run import Stage
from streams.demo.screen import Screen
from streams.demo.words import Teller

REDRAW_S = 0.25
TELL_S = 5.0


@contextlib.asynccontextmanager
async def drawing(stage: Stage, out: TextIO, stop: asyncio.Event) -> AsyncIterator[None]:
    """Draw while the block runs. When nobody can be written to any more (a closed pipe), sets `stop` so that the block
    ends in good order, and raises it then."""
    console = Console(file=out)
    with contextlib.ExitStack() as screen:
        if console.is_terminal and not console.is_dumb_terminal:
            live = Live(Screen(stage), console=console, screen=True, auto_refresh=False, redirect_stdout=False)
            screen.enter_context(live)
            work = _redraw(live)
        else:
            work = _tell(Teller(stage), out)
        drawing_ = asyncio.create_task(work)
        drawing_.add_done_callback(lambda _: stop.set())
        try:
            yield
        finally:
            drawing_.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await drawing_


async def _redraw(live: Live) -> None:
    while True:
        live.refresh()
        await asyncio.sleep(REDRAW_S)


async def _tell(teller: Teller, out: TextIO) -> None:
    while True:
        for line in teller.news():
            out.write(line + "\n")
        out.flush()
        await asyncio.sleep(REDRAW_S)
