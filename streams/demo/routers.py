"""Plays the company's calls against the clock: each router publishes its own through a `Publisher` of its own.

Contract: every item is published, in order, none before its time; when the machine cannot keep up the demo takes longer
instead of dropping calls (a real router would never wait, the demo's total must not depend on the machine).
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import AsyncExitStack

from streams.demo.flaws import Item
from streams.errors import Unavailable
from streams.publish import Publisher

TICK_S = 0.02
"""Calls that fall into one tick are published together: far below what anybody sees."""
TURN = 500
"""Calls published before the event loop, which also runs the worker, gets its turn: about 15 ms."""
CLOSE_S = 30.0


class Routers:
    """See the module."""

    def __init__(
        self, broker_url: str, names: Sequence[str], start_ms: int, speed: float, clock_s: Callable[[], float]
    ) -> None:
        """`start_ms`: event time at the first moment of `play`; `speed`: event seconds a second of `clock_s`."""
        self._publishers = {name: Publisher(broker_url, source=name) for name in names}
        self._start_ms = start_ms
        self._speed = speed
        self._clock_s = clock_s
        self._began: float | None = None
        self.published: Counter[str] = Counter()
        """Records so far: `call`, `again`, `malformed`."""

    @property
    def elapsed_s(self) -> float:
        """Since `play` began."""
        return 0.0 if self._began is None else self._clock_s() - self._began

    @property
    def now_ms(self) -> int:
        """The company's clock, epoch ms."""
        return self._start_ms + int(self.elapsed_s * self._speed * 1000)

    async def play(self, items: Iterable[Item], stop: asyncio.Event) -> None:
        """Publish all (or until `stop` is set) and wait until the broker has them. Raises `Unavailable`."""
        async with AsyncExitStack() as open_:
            for publisher in self._publishers.values():
                await publisher.start()
                open_.push_async_callback(publisher.close, CLOSE_S)
            self._began = self._clock_s()
            await self._publish(items, stop)
            for name, publisher in self._publishers.items():
                if not await publisher.flush(CLOSE_S):
                    raise Unavailable(f"the broker did not take the calls of {name} within {CLOSE_S:g} s")
        lost = {name: p.stats.dropped for name, p in self._publishers.items() if p.stats.dropped_total}
        if lost:
            raise Unavailable(f"the broker did not take all calls: {lost}")

    async def _publish(self, items: Iterable[Item], stop: asyncio.Event) -> None:
        in_turn = 0
        for item in items:
            while item.at_ms > self.now_ms and not stop.is_set():
                in_turn = 0
                await asyncio.sleep(TICK_S)
            if stop.is_set():
                return
            publisher = self._publishers[item.router]
            if not publisher.publish(item.row):
                raise Unavailable(f"{item.router} could not publish a call: {publisher.stats.dropped}")
            self.published[item.what] += 1
            in_turn += 1
            if in_turn >= TURN:
                in_turn = 0
                await asyncio.sleep(0)
                if not await publisher.wait_for_room(TURN, CLOSE_S):
                    raise Unavailable(f"the broker takes no calls of {item.router}")
