"""A step in a thread ends before its caller goes on (`streams.in_full`)."""

from __future__ import annotations

import asyncio
import threading

import pytest

from streams.in_full import in_full


def test_gives_what_the_work_returns_and_raises() -> None:
    assert asyncio.run(in_full(lambda a, b: a + b, 2, 3)) == 5
    with pytest.raises(ZeroDivisionError):
        asyncio.run(in_full(lambda: 1 / 0))


@pytest.mark.parametrize("fails", [False, True])
def test_cancelled_twice_it_ends_with_the_work_and_no_sooner(fails: bool) -> None:
    async def main() -> None:
        loop, began, may_end = asyncio.get_running_loop(), asyncio.Event(), threading.Event()

        def work() -> None:
            loop.call_soon_threadsafe(began.set)
            assert may_end.wait(30)
            if fails:
                raise OSError("away")

        asked = asyncio.create_task(in_full(work))
        await began.wait()
        for _ in range(2):
            asked.cancel()
            await asyncio.sleep(0.02)
            assert not asked.done()
        may_end.set()
        await asyncio.wait({asked})
        assert asked.cancelled()

    asyncio.run(main())
