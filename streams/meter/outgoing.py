"""A record on its way to a topic, and who sends it: what the meter and the watcher ask of the broker's side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class OutgoingRecord:
    """A record to send; `partition` None lets the key decide."""

    topic: str
    partition: int | None
    key: bytes | None
    value: bytes
    headers: tuple[tuple[str, bytes], ...] = ()


class Sender(Protocol):
    """Sends records and waits until the broker has them."""

    async def send(self, records: list[OutgoingRecord]) -> None:
        """Send all and wait for all. Raises `Unavailable` when the broker cannot take them now."""
        ...
