"""The frame of an agent's body: nothing that befalls a part of it passes unseen, and nothing outlives it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any, NoReturn

import pytest

from streams.taking import take_all


async def _events(*batches: object) -> AsyncIterator[Any]:
    for number, batch in enumerate(batches):
        yield SimpleNamespace(message=number, value=batch)


async def _for_ever(*_: object) -> None:
    await asyncio.Event().wait()


async def _fault(*_: object) -> NoReturn:
    raise ZeroDivisionError


def test_each_batch_is_taken_with_its_message_in_order() -> None:
    taken: list[tuple[object, object]] = []

    async def take(message: object, batch: object) -> None:
        taken.append((message, batch))

    asyncio.run(take_all(_events("a", "b"), take, [], taken.append))  # type: ignore[arg-type]
    assert taken == [(0, "a"), (1, "b")]


def test_a_fault_in_taking_is_told_and_raised() -> None:
    told: list[BaseException] = []
    with pytest.raises(ZeroDivisionError):
        asyncio.run(take_all(_events("a"), _fault, [], told.append))
    assert [type(error) for error in told] == [ZeroDivisionError]


def test_a_fault_in_a_timer_is_told_while_taking_goes_on() -> None:
    async def main() -> None:
        told: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()
        body = asyncio.create_task(take_all(_events("a"), _for_ever, [_for_ever, _fault], told.set_result))
        assert isinstance(await asyncio.wait_for(told, 10), ZeroDivisionError)
        assert not body.done()
        body.cancel()
        await asyncio.wait({body})

    asyncio.run(main())


def test_being_cancelled_is_no_fault_and_ends_the_timers() -> None:
    told: list[BaseException] = []
    ended = 0

    async def timer() -> None:
        nonlocal ended
        try:
            await _for_ever()
        finally:
            ended += 1

    async def main() -> None:
        before = asyncio.all_tasks()
        body = asyncio.create_task(take_all(_events("a"), _for_ever, [timer, timer], told.append))
        await asyncio.sleep(0)  # the body runs,
        await asyncio.sleep(0)  # and its timers
        body.cancel()
        await asyncio.wait({body})
        assert body.cancelled()
        await asyncio.wait(asyncio.all_tasks() - before or {body})
        assert asyncio.all_tasks() == before

    asyncio.run(main())
    assert (told, ended) == ([], 2)
