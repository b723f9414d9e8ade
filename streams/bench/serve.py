"""`python -m streams.bench.serve DIR [POLICIES]`: the embedded system until stdin ends.

Two lines of JSON on stdout: its addresses when it reads its partitions, and, when the watcher knows again what it knew,
of how many agents, and the CPU seconds that the process has used by then.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from streams.bench.probe import Moment
from streams.config import load_settings
from streams.embedded.system import EmbeddedSystem
from streams.logs import configure_logs


async def serve(root: Path, policies: Path | None = None) -> None:
    """Run, with default settings but a free HTTP port."""
    configure_logs("warning", "json")
    async with EmbeddedSystem(root, load_settings({}, http_port=0, policies_file=policies)) as system:
        await system.worker.wait_ready(60)
        _say(system.running.model_dump_json())
        watcher = system.worker.watcher
        while not (watcher.seats and watcher.is_ready):  # noqa: ASYNC110 (read once, at the start)
            await asyncio.sleep(0.01)
        families = [seat.watch.detector.families for seat in watcher.seats.values()]
        agents = sum(len(each.roots) + len(each.asleep) for each in families)
        _say(json.dumps({"agents": agents, "cpu_s": Moment.now().cpu_s}))
        await asyncio.to_thread(sys.stdin.read)


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(serve(*map(Path, sys.argv[1:])))
