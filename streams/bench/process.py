"""Contenders as child processes: started, heard, and ended with us."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import AsyncIterator, Callable

from streams.bench.spec import Result, Task
from streams.errors import SpendstreamError

LINE_LIMIT = 16 << 20
"""Bytes of a line of a child's output: a result with its curve."""


@contextlib.asynccontextmanager
async def child(module: str, *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """`python -m module arguments`, with pipes to its stdin and stdout; killed when the context is left early."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, *arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, limit=LINE_LIMIT
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


async def contend(
    task: Task,
    progress: Callable[[int], None] = lambda calls: None,
    started: Callable[[asyncio.subprocess.Process], None] = lambda process: None,
) -> Result:
    """Run one contender to its end. `progress` hears how many calls it has done (spendstream with marks only),
    `started` gets the process.
    """
    async with child("streams.bench.contender", task.encode()) as process:
        assert process.stdout is not None
        started(process)
        last = b""
        async for line in process.stdout:
            last = line
            if line.strip().isdigit():
                progress(int(line))
        code = await process.wait()
    if code != 0:
        raise SpendstreamError(f"contender {task.contender} ended with code {code}; its messages stand above")
    return Result.decode(last.decode())
