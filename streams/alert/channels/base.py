"""What a channel is.

`send` blocks, for a bounded time, in a thread of the channel's own; it raises `ChannelError` when the message was not
taken, or when it cannot know. Sending the same message again must be safe where the other side allows that: it carries
its id. No error may hold a secret: its text goes into the ledger and the log.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from streams.alert.message import Message
from streams.alert.notice import Notice


class ChannelError(Exception):
    """The message was not taken, as far as one can know. `str(error)` is fit for the ledger."""

    def __init__(self, message: str, *, retry_after_s: float | None = None, alone: bool = False) -> None:
        """`alone`: the fault is of this message, others may go through; else the channel rests."""
        super().__init__(message)
        self.retry_after_s = retry_after_s
        self.alone = alone


class Channel(Protocol):
    """One way out. Used by one thread at a time."""

    name: str
    remind_ms: int
    """How long after its last change an open subject is sent again; 0 when the receiver remembers by itself."""

    def send(self, message: Message, now_ms: int) -> None:
        """Deliver. Raises `ChannelError`."""
        ...

    def remind(self, notices: Sequence[Notice], now_ms: int) -> None:
        """Say again that these are open; nothing changed. Raises `ChannelError`."""
        ...
