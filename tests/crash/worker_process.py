"""One life of a worker process: started, watched through its log and its metrics, killed or stopped.

What a life tells of itself is read from its JSON log (`Life.starts`: where the ledger let each partition go on) and
from `/metrics`. Deaths are told apart by exit code and by the marker that a kill point leaves.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import aiohttp

from streams.config import PREFIX

ROOT: Final = Path(__file__).resolve().parents[2]
SPENDSTREAM: Final = [sys.executable, "-m", "streams.cli.main"]
"""The command as the package installs it."""
START_S: Final = 60.0
"""A worker on a busy machine: seconds of imports, then the takeover."""
_SAMPLE: Final = re.compile(r"^(\w+)(?:\{[^}]*\})? ([0-9.eE+-]+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Site:
    """Where the lives take place: one broker, one ledger directory."""

    root: Path
    broker_url: str
    partitions: int

    @property
    def ledger(self) -> Path:
        """chDB's directory: one process at a time."""
        return self.root / "ledger"


@dataclass(slots=True)
class Life:
    """A running or dead worker process. `starts`, `epochs` and `repeated` are by partition, known once it is ready."""

    number: int
    kind: str
    log: Path
    marker: Path
    process: subprocess.Popen[bytes]
    began: float
    starts: dict[int, int] = field(default_factory=dict)
    epochs: dict[int, int] = field(default_factory=dict)
    repeated: dict[int, int] = field(default_factory=dict)
    http: str = ""
    code: int | None = None
    _read: int = 0

    def look(self) -> None:
        """Read what is new in the log."""
        with self.log.open("rb") as file:
            file.seek(self._read)
            text = file.read()
        complete = text.rfind(b"\n") + 1
        self._read += complete
        for line in text[:complete].splitlines():
            try:
                event = json.loads(line)
            except ValueError:
                continue  # the interpreter's own words
            if event.get("event") == "worker started":
                self.http = str(event["http"])
            elif event.get("event") == "partition taken":
                self.starts[int(event["partition"])] = int(event["start"])
                self.epochs[int(event["partition"])] = int(event["epoch"])
                self.repeated[int(event["partition"])] = int(event["repeated_cells"])

    def tail(self, lines: int = 25) -> str:
        """The end of the log, for a failure's message."""
        return "\n".join(self.log.read_text("utf-8", "replace").splitlines()[-lines:])

    @property
    def dead(self) -> bool:
        """Whether the process is gone; its exit code is then in `code`."""
        self.code = self.process.poll()
        return self.code is not None

    async def until(self, done: Callable[[], bool], what: str, timeout_s: float = START_S) -> None:
        """Wait for a condition on the log. AssertionError when the process dies first or it takes too long."""
        deadline = time.monotonic() + timeout_s
        while True:
            self.look()
            if done():
                return
            assert not self.dead, f"{self}: ended with {self.code} before {what}\n{self.tail()}"
            assert time.monotonic() < deadline, f"{self}: no {what} within {timeout_s:.0f} s\n{self.tail()}"
            await asyncio.sleep(0.01)

    async def ready(self, partitions: int) -> None:
        """Wait until all partitions are taken over."""
        await self.until(lambda: len(self.starts) == partitions, "takeover")

    async def gone(self, timeout_s: float, meanwhile: Callable[[], Awaitable[None]] | None = None) -> int:
        """Wait for the process's end; its exit code. `meanwhile` is called between looks."""
        deadline = time.monotonic() + timeout_s
        while not self.dead:
            if time.monotonic() > deadline:
                self.process.kill()
                self.process.wait()
                self.look()
                raise AssertionError(f"{self}: still alive after {timeout_s:.0f} s\n{self.tail()}")
            if meanwhile is not None:
                await meanwhile()
            await asyncio.sleep(0.01)
        self.look()
        assert self.code is not None
        return self.code

    async def kill(self) -> None:
        """kill -9. AssertionError when it was dead already: then the kill would prove nothing."""
        assert not self.dead, f"{self}: ended by itself with {self.code}\n{self.tail()}"
        self.process.kill()
        assert await self.gone(10) == -signal.SIGKILL

    async def metrics(self) -> dict[str, float]:
        """Sums of the worker's metrics over their labels; empty while it does not answer."""
        try:
            async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session:
                text = await (await session.get(f"http://{self.http}/metrics")).text()
        except (aiohttp.ClientError, TimeoutError, OSError):
            return {}
        sums: dict[str, float] = {}
        for name, value in _SAMPLE.findall(text):
            sums[name] = sums.get(name, 0.0) + float(value)
        return sums

    def __str__(self) -> str:
        return f"life {self.number} ({self.kind})"


def clean_environment(**settings: Any) -> dict[str, str]:
    """This process's environment with these settings of Spendstream's and no others."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    return environment | {f"{PREFIX}{name.upper()}": str(value) for name, value in settings.items()}


def start_life(
    site: Site,
    number: int,
    kind: str,
    *,
    kill_point: str = "",
    command: Sequence[str] = SPENDSTREAM,
    **settings: Any,
) -> Life:
    """Start a worker. `kill_point`: `point:count`; `settings`: as in `streams.config`, over the tests' own."""
    log, marker = site.root / f"life-{number:02d}.log", site.root / f"life-{number:02d}.marker"
    wanted: dict[str, Any] = {
        "broker_url": site.broker_url,
        "clickhouse_url": f"chdb://{site.ledger}",
        "worker_id": "crash",
        "http_port": 0,
        "partitions": site.partitions,
        "data_dir": site.root / "worker",
        "session_timeout_seconds": 6,
        "log_format": "json",
        **settings,
    }
    if kill_point:
        wanted["kill_point"] = f"{kill_point}:{marker}"
    environment = clean_environment(**wanted)
    with log.open("wb") as file:
        process = subprocess.Popen(
            [*command, "worker"], cwd=ROOT, env=environment, stdout=file, stderr=file, start_new_session=True
        )
    return Life(number, kind, log, marker, process, time.monotonic())
