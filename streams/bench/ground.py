"""The ground that contenders run on: one embedded broker on a scratch directory, with a load published to it."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from streams import topics
from streams.bench import topic
from streams.embedded.broker import Broker
from streams.embedded.directory import OwnedDirectory, own

PARTITIONS = 4
"""A worker's default."""


class Ground:
    """A broker that is thrown away with its directory."""

    bootstrap: str

    def __init__(self) -> None:
        self._root = Path(tempfile.mkdtemp(prefix="spendstream-bench-"))
        self._owned: OwnedDirectory | None = None
        self._broker: Broker | None = None
        self._runs = 0

    async def __aenter__(self) -> Self:
        self._owned = own(self._root / "broker")
        # What it holds is not worth saving: it is killed after a moment.
        self._broker = Broker(self._owned.layout, save_s=0.2)
        self.bootstrap = await self._broker.start()
        await topic.create(self.bootstrap, topics.CALLS, PARTITIONS)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        if self._broker is not None:
            await self._broker.stop()
        if self._owned is not None:
            self._owned.release()
        shutil.rmtree(self._root, ignore_errors=True)

    async def fresh_run(self) -> tuple[str, str]:
        """(directory, group) for a run that nothing of an earlier one reaches: the usage topic is emptied as well."""
        self._runs += 1
        await topic.delete(self.bootstrap, topics.USAGE)
        directory = self._root / f"run-{self._runs}"
        directory.mkdir()
        return str(directory), f"bench-{self._runs}"
