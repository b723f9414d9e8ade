"""Where the ledger of a `top` is. Opened for each question and let go again, so that `top` never stands in the way of a
worker that wants to start on the same directory, and finds it again when it answers at another port."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TypeVar
from urllib.parse import urlsplit

from streams.cli.reach import reach
from streams.errors import NotPossible, UsageError
from streams.top.read import Reader

T = TypeVar("T")


class Source(Protocol):
    """What `top` needs of it."""

    @property
    def name(self) -> str:
        """For the title; no secrets."""
        ...

    @property
    def in_process(self) -> bool:
        """Questions may be answered by the engine inside this process."""
        ...

    def is_idle(self) -> bool:
        """Nobody writes: what was read stays true until somebody does. Quick."""
        ...

    def ask(self, work: Callable[[Reader], T]) -> T:
        """Do `work` with the ledger open. Blocks. Raises `SpendstreamError`."""
        ...


class LedgerSource:
    """An embedded directory, or a ClickHouse server."""

    def __init__(self, embedded: Path | None, clickhouse_url: str) -> None:
        """As `streams.cli.reach.reach`; opens nothing yet."""
        self._embedded = embedded
        self._url = clickhouse_url

    @property
    def name(self) -> str:
        """The directory, or host and port."""
        if self._embedded is not None:
            return str(self._embedded)
        parts = urlsplit(self._url)
        return parts.netloc.rpartition("@")[2] or parts.path

    @property
    def in_process(self) -> bool:
        """A directory's ledger is opened here when no worker runs on it."""
        return self._embedded is not None

    def is_idle(self) -> bool:
        """A directory that no worker runs on."""
        if self._embedded is None:
            return False
        from streams.embedded.directory import find_running

        try:
            return find_running(self._embedded) is None
        except (NotPossible, UsageError):  # just starting or stopping
            return False

    def ask(self, work: Callable[[Reader], T]) -> T:
        """See `Source.ask`."""
        with reach(self._embedded, self._url) as ledger:
            return work(ledger)
