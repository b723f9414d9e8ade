"""A command on a terminal of its own: keys go in, everything that it writes comes out."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import BinaryIO

from tests.e2e.command import PATIENCE_S, environment

_CONTROL = re.compile(rb"\x1b\[[0-9;?<>=:]*[a-zA-Z]|\x1b[\]P][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[=>()][0B]?")


class Terminal:
    """`spendstream ARGUMENTS` on a pseudo terminal; use as a context manager."""

    def __init__(
        self,
        *arguments: str | Path,
        columns: int = 80,
        lines: int = 24,
        variables: Mapping[str, str] | None = None,
        stderr: BinaryIO | None = None,
    ) -> None:
        """`stderr`: where standard error goes instead of the terminal."""
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "streams.cli.main", *map(str, arguments)],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs if stderr is None else stderr,
            start_new_session=True,
            env=environment(TERM="xterm-256color", COLUMNS="", LINES="", **(variables or {})),
        )
        os.close(theirs)
        self.raw = b""

    @property
    def text(self) -> str:
        """All that was written so far, without control sequences."""
        return _CONTROL.sub(b"", self.raw).decode("utf-8", "replace")

    def until(self, condition: Callable[[str], bool], patience_s: float = 60.0) -> str:
        """Read until all that was written satisfies `condition`; AssertionError when it does not in time."""
        deadline = time.monotonic() + patience_s
        while not condition(self.text):
            assert time.monotonic() < deadline, self.text[-3000:]
            if not self._read(0.1):
                assert condition(self.text), self.text[-3000:]
        return self.text

    def keys(self, keys: str) -> None:
        """Type."""
        os.write(self._ours, keys.encode())

    def resize(self, columns: int, lines: int) -> None:
        """Make the terminal another size."""
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        os.killpg(self.process.pid, signal.SIGWINCH)

    def interrupt(self) -> None:
        """What Ctrl-C does where the terminal is not in raw mode."""
        self.process.send_signal(signal.SIGINT)

    def end(self) -> int:
        """Read to the end; the exit code."""
        deadline = time.monotonic() + PATIENCE_S
        while self._read(0.1):
            assert time.monotonic() < deadline, self.text[-3000:]
        return self.process.wait(timeout=PATIENCE_S)

    def _read(self, patience_s: float) -> bool:
        """False at the end."""
        if not select.select([self._ours], [], [], patience_s)[0]:
            return self.process.poll() is None
        try:
            got = os.read(self._ours, 1 << 16)
        except OSError:  # Linux's way to say that the other side is closed
            return False
        self.raw += got
        return bool(got)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(timeout=PATIENCE_S)
        os.close(self._ours)
