"""Ending a producer of aiokafka at once, whatever it still has in work.

`producer.stop()` alone flushes first, without end when the broker is away. And once the client is closed, whatever
waits for news of the cluster waits for ever: a request that failed, was put back in the queue and waits for metadata.
aiokafka then cancels its sender a second time and raises that cancellation to its caller, who takes it for his own.
Hence five steps, in this order:
    1. close    the connections: requests that are out fail now
    2. release  who waits for metadata, now or later
    3. end      the sender, with the requests it has in work: they put their batches back
    4. cancel   the batches; nobody is told of an exception that nobody waits for
    5. stop     what is left
Steps 2 to 4 need private parts of aiokafka (0.14); tests hold that no task of it is left, and that it ends.
"""

from __future__ import annotations

import asyncio
import contextlib

from aiokafka import AIOKafkaProducer

_END_S = 1.0
"""How long a request may take to see that its connection is closed: aiokafka pauses for 0.1 s then. One that is still
busy with connecting is cancelled after it."""


async def discard(producer: AIOKafkaProducer) -> None:
    """End it; what it had not delivered is cancelled."""
    await producer.client.close()
    _release(producer)
    sender = producer._sender.sender_task
    while sender is not None and not sender.done():
        sender.cancel()
        await asyncio.wait({sender}, timeout=_END_S)
    _cancel(producer)
    with contextlib.suppress(Exception):
        await producer.stop()


def _release(producer: AIOKafkaProducer) -> None:
    """The client takes a future that is done for an update that is under way, and so do all who ask from now on."""
    over = asyncio.get_running_loop().create_future()
    over.set_result(False)
    awaited, producer.client._md_update_fut = producer.client._md_update_fut, over
    if awaited is not None and not awaited.done():
        awaited.set_result(False)


def _cancel(producer: AIOKafkaProducer) -> None:
    accumulator = producer._message_accumulator
    batches = [batch for queue in accumulator._batches.values() for batch in queue]
    # Those that were tried once take themselves out of here when they are done, and complain if they are not in.
    accumulator._pending_batches.update(batches)
    for batch in list(accumulator._pending_batches):
        batch.future.cancel()
        batch._drain_waiter.cancel()
