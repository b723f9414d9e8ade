"""The pause after an empty fetch that came back at once (`streams.transport`)."""

from __future__ import annotations

import asyncio
import time

from streams.transport import _EMPTY_FETCH_PAUSE_S, _patient


async def _nothing() -> bool:
    return False


async def _something() -> bool:
    return True


def test_an_empty_fetch_pauses_and_a_full_one_is_handed_on() -> None:
    async def fetch_both() -> float:
        began = time.monotonic()
        assert await _patient(_nothing)() is False
        paused = time.monotonic() - began
        assert await _patient(_something)() is True
        return paused

    assert asyncio.run(fetch_both()) >= _EMPTY_FETCH_PAUSE_S * 0.9


def test_a_fetch_cancelled_in_its_pause_ends_quietly() -> None:
    # aiokafka's `Fetcher.close` cancels its fetches and awaits each: an exception would end the consumer's thread.
    async def cancel() -> bool:
        fetch = asyncio.ensure_future(_patient(_nothing)())
        await asyncio.sleep(_EMPTY_FETCH_PAUSE_S / 4)
        fetch.cancel()
        return await fetch

    assert asyncio.run(cancel()) is False
