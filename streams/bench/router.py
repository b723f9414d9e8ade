"""`python -m streams.bench.router BROKER RATE SECONDS AGENTS OUT`: a router that publishes at an even rate.

Writes one line a call to OUT: its id and the moment before `publish()`, epoch ns. Fails when a call is dropped.
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path
from typing import Any

import msgspec

from streams.bench.load import Load, records
from streams.publish import Publisher

_TICK_S = 0.005


async def publish(bootstrap: str, rate: float, seconds: float, agents: int) -> list[tuple[str, int]]:
    """Publish `rate` calls a second for `seconds`; (id, epoch ns before publish) of each."""
    total = round(rate * seconds)
    calls: list[dict[str, Any]] = [msgspec.json.decode(r.value) for r in records(Load(total, agents), 0)]
    moments: list[tuple[str, int]] = []
    async with Publisher(bootstrap, source="bench") as publisher:
        loop = asyncio.get_running_loop()
        began = loop.time()
        sent = 0
        while sent < total:
            due = min(total, int((loop.time() - began) * rate) + 1)
            while sent < due:
                call = calls[sent]
                now = time.time_ns()
                call["time"] = now // 1_000_000
                publisher.publish(call)
                moments.append((call["id"], now))
                sent += 1
            await asyncio.sleep(_TICK_S)
        if not await publisher.flush(30):
            raise RuntimeError("not everything was delivered")
        stats = publisher.stats
    if stats.delivered != total:
        raise RuntimeError(f"the publisher says {stats}")
    return moments


def _main() -> None:
    bootstrap, rate, seconds, agents, out = sys.argv[1:]
    moments = asyncio.run(publish(bootstrap, float(rate), float(seconds), int(agents)))
    Path(out).write_text("".join(f"{name}\t{at}\n" for name, at in moments))


if __name__ == "__main__":
    _main()
