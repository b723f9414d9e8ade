"""`python -m streams.bench.serve DIR`: the embedded system until stdin ends; its addresses as JSON on stdout."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from streams.config import load_settings
from streams.embedded.system import EmbeddedSystem
from streams.logs import configure_logs


async def serve(root: Path) -> None:
    """Run, with default settings but a free HTTP port."""
    configure_logs("warning", "json")
    async with EmbeddedSystem(root, load_settings({}, http_port=0)) as system:
        await system.worker.wait_ready(60)
        sys.stdout.write(system.running.model_dump_json() + "\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
