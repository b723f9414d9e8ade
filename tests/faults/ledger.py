"""The ledger's server as tests hold it: `tests.faults.clickhouse_server` as a process that can be killed or paused."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from json import dumps, loads
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from tests.crash.worker_process import ROOT
from tests.kafka.cluster import free_ports

START_S: Final = 60.0


class LedgerServer:
    """One server process on one directory. Blocking. The port stays the same over restarts."""

    def __init__(
        self,
        root: Path,
        *,
        user: str = "",
        password: str = "",
        certificate: Path | None = None,
        key: Path | None = None,
        room: int | None = None,
    ) -> None:
        """`certificate`, `key`: PEM files; with them the server speaks TLS.

        `room`: bytes of a disk of its own, in memory, seen by the server alone (`fill`, `clear`); its data end with it.
        """
        self.root = root
        self.room = room
        self.port = free_ports(1)[0]
        self._options = ["--user", user, "--password", password]
        if certificate is not None:
            self._options += ["--certificate", str(certificate), "--key", str(key)]
        self._scheme = "https" if certificate is not None else "http"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it listens, without a database."""
        return f"{self._scheme}://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """The running process's id."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start it and wait until it listens."""
        self.root.mkdir(parents=True, exist_ok=True)
        with (self.root / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *(_on_a_disk(self.root / "data", self.room) if self.room else ()),
                    *(sys.executable, "-m", "tests.faults.clickhouse_server", "--path", str(self.root / "data")),
                    *("--port", str(self.port), *self._options),
                ],
                cwd=ROOT, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip
        deadline = time.monotonic() + START_S
        while not self._listens():
            end = (self.root / "server.log").read_text("utf-8", "replace")[-2000:]
            assert self._process.poll() is None, f"the ledger's server ended:\n{end}"
            assert time.monotonic() < deadline, f"the ledger's server does not answer:\n{end}"
            time.sleep(0.05)

    def _listens(self) -> bool:
        import socket

        with socket.socket() as probe:
            probe.settimeout(1)
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def kill(self) -> None:
        """kill -9."""
        assert self._process is not None
        assert self._process.poll() is None, "the ledger's server was dead already"
        self._process.kill()
        self._process.wait()

    def pause(self) -> None:
        """SIGSTOP: connections stay, no answer comes."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        os.kill(self.pid, signal.SIGCONT)

    def fill(self) -> None:
        """Take all room that is left on the server's disk (it has to have `room`), as somebody else's file does."""
        with self._ballast.open("wb") as file:
            disk = os.fstatvfs(file.fileno())
            os.posix_fallocate(file.fileno(), 0, disk.f_bavail * disk.f_frsize)

    def clear(self) -> None:
        """Give it back."""
        self._ballast.unlink()

    @property
    def _ballast(self) -> Path:
        return Path(f"/proc/{self.pid}/root") / (self.root / "data").relative_to("/") / "ballast"

    def order(self, **order: Any) -> None:
        """Order a fault (`tests.faults.clickhouse_server`); without arguments all is well again."""
        request = urllib.request.Request(f"{self.url}/_order", dumps(order).encode(), {"Content-Type": "text/json"})
        urllib.request.urlopen(request, timeout=10).read()

    def met(self) -> int:
        """How many inserts met the last order."""
        return int(self._told()["met"])

    def refused(self, code: int) -> int:
        """How many inserts the engine itself has refused with this error."""
        return int(self._told()["refused"].get(str(code), 0))

    def _told(self) -> dict[str, Any]:
        with urllib.request.urlopen(f"{self.url}/_orders", timeout=10) as answer:
            told: dict[str, Any] = loads(answer.read())
            return told

    def stop(self) -> None:
        """End it, whatever it does."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _on_a_disk(path: Path, room: int) -> list[str]:
    """What to put before a command to give it a disk of `room` bytes at `path`, in a mount namespace of its own."""
    path.mkdir(parents=True, exist_ok=True)
    script = 'mount -t tmpfs -o size="$1" tmpfs "$2" && shift 2 && exec "$@"'
    return ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, "sh", str(room), str(path)]


def disks_can_be_had() -> bool:
    """Whether this machine lets us mount a disk of our own (`LedgerServer(room=...)`)."""
    with tempfile.TemporaryDirectory() as path:
        try:
            command = [*_on_a_disk(Path(path), 1 << 20), "true"]
            return subprocess.run(command, capture_output=True, check=False, timeout=10).returncode == 0
        except OSError:
            return False
