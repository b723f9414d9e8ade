"""The usage agent as a room of the app: takes its partitions over with patience."""

from __future__ import annotations

from collections.abc import AsyncIterable, Awaitable, Callable, Mapping
from functools import partial
from typing import Any

from faust.types import TP, EventT

from streams import topics
from streams.transport import Consumer
from streams.usage.agent import UsageAgent

Retried = Callable[[str, Callable[[], Awaitable[None]]], Awaitable[None]]


class UsageRoom:
    """See `streams.app.Room`. Starts where the group committed: windows of before are the ledger's to answer."""

    def __init__(self, usage: UsageAgent, retried: Retried) -> None:
        """`retried`: runs a step until no server that it needs is away."""
        self._usage = usage
        self._retried = retried

    @property
    def topic(self) -> str:
        """`spendstream.usage`."""
        return topics.USAGE

    async def on_assigned(self, committed: Mapping[TP, int | None], consumer: Consumer) -> Mapping[TP, int]:
        """Begin empty windows."""
        await self._retried("usage windows", partial(self._usage.on_assigned, set(committed), consumer))
        return {}

    async def before_revoke(self, partitions: set[TP]) -> None:
        """Let the windows go."""
        self._usage.before_revoke(partitions)

    async def run(self, events: AsyncIterable[EventT[Any]]) -> None:
        """The usage agent's body."""
        await self._usage.run(events)
