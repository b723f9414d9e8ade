"""Takes control records to Kafka from the thread of a duty, through the worker's own producer."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import TimeoutError as NotInTime
from typing import TYPE_CHECKING, Final

from aiokafka.errors import KafkaError

from streams import topics
from streams.controls.duty import ControlRecord
from streams.counted import counted
from streams.errors import Unavailable

if TYPE_CHECKING:
    from streams.app import App

PATIENCE_S: Final = 30.0


class ControlSender:
    """`Publish` of a worker; to be called from any thread but the event loop's."""

    def __init__(self, app: App) -> None:
        self._app = app

    def __call__(self, records: Sequence[ControlRecord]) -> None:
        """Send, and wait for the broker's word. Raises `Unavailable`; all may then be sent again."""
        work = asyncio.run_coroutine_threadsafe(self._send(records), self._app.loop)
        try:
            work.result(PATIENCE_S)
        except NotInTime:
            work.cancel()
            what = counted(len(records), "control")
            raise Unavailable(f"the broker did not take {what} within {PATIENCE_S:.0f} s") from None

    async def _send(self, records: Sequence[ControlRecord]) -> None:
        producer = self._app.producer
        try:
            pending = [
                await producer.send(topics.CONTROLS, record.key, record.value, 0, None, None) for record in records
            ]
            await asyncio.gather(*pending)
        except KafkaError as error:
            raise Unavailable(f"the broker did not take {counted(len(records), 'control')}: {error}") from error
