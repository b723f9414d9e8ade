"""One Kafka process, broker and controller in one (KRaft): formatted once, started, stopped, killed, paused."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from tests.kafka.jars import jars, java

START_S: Final = 120.0
STOP_S: Final = 60.0
HEAP: Final = ("-Xmx384m", "-Xms96m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:+ExitOnOutOfMemoryError")
"""Small, and quick to start: a broker of the tests lives for seconds."""

_STARTED: Final = b"Kafka Server started"

_LOG4J: Final = """\
<Configuration status="ERROR">
  <Appenders><Console name="out" target="SYSTEM_OUT">
    <PatternLayout pattern="%d{HH:mm:ss.SSS} %p %c{1} %m%n"/></Console></Appenders>
  <Loggers><Root level="WARN"><AppenderRef ref="out"/></Root>
    <Logger name="kafka.server" level="INFO"/><Logger name="org.apache.kafka.server" level="INFO"/>
    <Logger name="kafka.authorizer.logger" level="INFO"/>
    <Logger name="org.apache.kafka.common.config" level="ERROR"/></Loggers>
</Configuration>
"""


class Node:
    """A broker of a cluster. Blocking; call it from a thread where an event loop runs."""

    def __init__(self, root: Path, number: int, properties: Mapping[str, str]) -> None:
        """`properties`: all of server.properties but `node.id` and `log.dirs`. Raises `Missing` without Java."""
        self.root = root / f"node-{number}"
        self.number = number
        self.root.mkdir(parents=True)
        self.log = self.root / "kafka.log"
        self._properties = self.root / "server.properties"
        written = {"node.id": str(number), "log.dirs": str(self.data), **properties}
        self._properties.write_text("".join(f"{name}={value}\n" for name, value in written.items()), "utf-8")
        (self.root / "log4j2.xml").write_text(_LOG4J, "utf-8")
        self._process: subprocess.Popen[bytes] | None = None
        self._read_from = 0
        self._libs = jars()
        self._java = java()

    @property
    def data(self) -> Path:
        """Where the broker keeps its topics."""
        return self.root / "data"

    @property
    def pid(self) -> int:
        """The running process's id."""
        assert self._process is not None, f"node {self.number} does not run"
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the process is alive (a paused one is)."""
        return self._process is not None and self._process.poll() is None

    def format(self, cluster_id: str, *options: str) -> subprocess.Popen[bytes]:
        """Begin to format the log directory; wait for the process that is returned. `options`: of the storage tool."""
        command = self._command("kafka.tools.StorageTool")
        return subprocess.Popen(
            [*command, "format", "--cluster-id", cluster_id, "--config", str(self._properties), *options],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def start(self) -> None:
        """Start the process; `wait` until it serves."""
        assert not self.running
        self._read_from = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*self._command("kafka.Kafka"), str(self._properties)],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip

    def wait(self, timeout_s: float = START_S) -> None:
        """Wait until the broker serves. AssertionError with the end of its log when it does not."""
        deadline = time.monotonic() + timeout_s
        while True:
            with self.log.open("rb") as log:
                log.seek(self._read_from)
                if _STARTED in log.read():
                    return
            assert self.running, f"Kafka node {self.number} ended while starting:\n{self.tail()}"
            assert time.monotonic() < deadline, f"Kafka node {self.number} did not start:\n{self.tail()}"
            time.sleep(0.05)

    def stop(self, timeout_s: float = STOP_S) -> None:
        """A graceful stop: leadership moves first, where there is another broker. Kills after `timeout_s`."""
        if self._process is None:
            return
        if self.running:
            self._process.terminate()
            try:
                self._process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                self._process.kill()
        self._process.wait()

    def kill(self) -> None:
        """kill -9."""
        assert self.running, f"Kafka node {self.number} was dead already:\n{self.tail()}"
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def pause(self) -> None:
        """SIGSTOP: connections stay open, nothing answers."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        os.kill(self.pid, signal.SIGCONT)

    def tail(self, lines: int = 20) -> str:
        """The end of the log."""
        if not self.log.exists():
            return ""
        return "\n".join(self.log.read_text("utf-8", "replace").splitlines()[-lines:])

    def _command(self, main: str) -> list[str]:
        logging = f"-Dlog4j2.configurationFile={self.root / 'log4j2.xml'}"
        return [self._java, *HEAP, logging, "-cp", f"{self._libs}/*", main]
