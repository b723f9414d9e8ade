"""The installed command as a user runs it: in a process of its own, output and exit code taken apart."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PATIENCE_S = 120.0


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run of the command ended."""

    code: int
    out: bytes
    err: str

    @property
    def json(self) -> Any:
        """The one JSON object that standard output must be; AssertionError for anything beside it."""
        assert self.code in {0, 1}, self.err
        assert self.out.endswith(b"\n")
        assert self.out.count(b"\n") == 1, self.out[:2000]
        return json.loads(self.out)


def environment(**variables: str) -> dict[str, str]:
    """This process's environment without Spendstream's settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SPENDSTREAM_")}
    return kept | variables


def spendstream(*arguments: str | Path, stdin: bytes = b"", variables: Mapping[str, str] | None = None) -> Ended:
    """Run `spendstream ARGUMENTS` to its end."""
    done = subprocess.run(
        [sys.executable, "-m", "streams.cli.main", *map(str, arguments)],
        input=stdin,
        capture_output=True,
        timeout=PATIENCE_S,
        env=environment(**(variables or {})),
        check=False,
    )
    return Ended(done.returncode, done.stdout, done.stderr.decode("utf-8", "replace"))


class Running:
    """A `spendstream worker --embedded DIR` that runs until `stop`."""

    def __init__(self, directory: Path, *arguments: str) -> None:
        """Start it and wait until it has announced itself."""
        self._log = directory.with_suffix(".log").open("wb")
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "streams.cli.main",
                "worker",
                "--embedded",
                directory,
                "--http-port",
                "0",
                *arguments,
            ],
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=environment(),
        )
        deadline = time.monotonic() + PATIENCE_S
        while not (directory / "run.json").exists():
            assert self.process.poll() is None, directory.with_suffix(".log").read_text("utf-8", "replace")[-4000:]
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, bytes]:
        """Signal it and wait; exit code and standard output. A second call gives the same."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        out, _ = self.process.communicate(timeout=PATIENCE_S)
        self._log.close()
        return self.process.returncode, out or b""
