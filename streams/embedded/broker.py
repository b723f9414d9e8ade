"""The embedded edition's Kafka broker: the `noida-db` wheel's binary as a child process on DIR/broker.

    broker = Broker(layout, port=0)
    bootstrap = await broker.start()    # "127.0.0.1:PORT", answering the Kafka protocol, saved topics loaded
    ...
    await broker.stop()                 # topics saved

What the broker keeps, measured with noida-db 0.2.3 (this is not Kafka; production is):

- It holds everything in memory and writes DIR/broker/kafka.json on SIGTERM only, whole or not at all (kafka.tmp, then a
  rename). A graceful stop keeps records, timestamps, headers, null keys, null and empty values apart, offsets, log
  start offsets, topic configuration and committed offsets; the port may change.
- kill -9 takes the topics BACK to the last graceful stop (to nothing, if there was none): end offsets shrink, and new
  records get offsets that other records had. Committed offsets go back as well.
- The file takes 4 bytes a byte of record (480-byte records: 1.95 KB each). Stop takes 15 to 24 us a record of that
  size, start 10. The port opens before loading is over, requests are answered after. Memory: 0.5 KB a record of 480
  bytes in large batches, more in small ones; a stop takes a multiple of that for a moment.
- Nothing stops two brokers on one directory: each would overwrite the other's topics. Hence DIR/broker.lock.
- Retention works by the record's time within 2 s and in the active segment too: with CreateTime, recorded data of past
  years is deleted at once, so topics for calls need `message.timestamp.type=LogAppendTime`, which works.
  `retention.bytes` with `segment.bytes` works; compaction did nothing within 12 s. Unknown topic settings are refused.
- The largest record is 1 MiB, or `max.message.bytes` of the topic. Replication factor is 1.
- A consumer waiting in a fetch gets a new record in 0.5 ms (p50 of 60; the most 0.8).
- A fetch below the log's start or beyond its end is answered OffsetOutOfRange.
- A dead member is never expired: a second one hangs for ever, but with `group_instance_id` it is back in 5 ms after
  kill -9, and after a restart of the broker in 0.3 s.
- Asking for the metadata of a topic that does not exist creates it, with one partition.

The broker lives exactly as long as the process that started it, in a session of its own so that Ctrl-C in the terminal
does not reach it before the ledger is flushed (`streams.embedded.child`). After kill -9 of the worker it is told to
stop, and saves; the next start waits for that.
"""

from __future__ import annotations

import asyncio
import fcntl
import importlib.util
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from streams.embedded import child
from streams.embedded.directory import Layout
from streams.errors import NotPossible, Unavailable

HOST = "127.0.0.1"
SAVE_S = 120.0
"""Time to save on stop: 15 us a record, so 8 million records of 489 bytes, more than memory holds; then SIGKILL."""
START_S = 120.0
"""Time to load saved topics and answer: 10 us a record."""
LOG_LIMIT_BYTES = 4_000_000
"""DIR/broker.log above this is begun afresh at a start; the broker writes a few lines a run."""


class Broker:
    """One broker process on one embedded directory, which the caller owns (`streams.embedded.directory.own`)."""

    def __init__(self, layout: Layout, *, port: int = 0, start_s: float = START_S, save_s: float = SAVE_S) -> None:
        """`port` 0: a free one. `start_s`, `save_s`: bounds in seconds of a start and of the save on stop."""
        self._layout = layout
        self._wanted_port = port
        self._start_s = start_s
        self._save_s = save_s
        self._process: subprocess.Popen[bytes] | None = None
        self.bootstrap = ""

    async def start(self) -> str:
        """Start the broker, wait until it answers, and return `host:port`.

        Raises NotPossible (port taken, binary missing) or Unavailable (it ended, or did not answer in `start_s`; the
        message has the end of its log). Nothing is left running then.
        """
        binary = find_binary()
        lock_fd = await take_over(self._layout, self._save_s)
        try:
            port = self._wanted_port or free_port()
            if not port_is_free(port):
                raise NotPossible(f"port {port} is taken on {HOST}: choose another broker port, or 0 for a free one")
            self._process = self._spawn(binary, port, lock_fd)
        finally:
            os.close(lock_fd)
        self.bootstrap = f"{HOST}:{port}"
        try:
            await self._answers()
        except BaseException:
            await self.stop()
            raise
        return self.bootstrap

    @property
    def running(self) -> bool:
        """False when the broker ended (by itself too) or was never started."""
        return self._process is not None and self._process.poll() is None

    async def stop(self) -> int | None:
        """Let the broker save its topics and end; its exit code, None when it was not running.

        Takes at most `save_s` and a few seconds: after `save_s` the broker is killed and what it had not saved is lost
        (exit code 137). A second call does nothing.
        """
        process, self._process = self._process, None
        if process is None:
            return None
        assert process.stdin is not None
        process.stdin.close()
        deadline = time.monotonic() + self._save_s + 10.0
        while process.poll() is None:
            if time.monotonic() > deadline:
                # Only a supervisor that hangs gets here: it kills the broker itself after `save_s`.
                os.killpg(process.pid, signal.SIGKILL)
            await asyncio.sleep(0.02)
        return process.returncode

    def log_tail(self, lines: int = 15) -> str:
        """The last lines of DIR/broker.log, without the loader's warnings about weak symbol versions (harmless)."""
        try:
            with self._layout.broker_log.open("rb") as log:
                log.seek(max(0, log.seek(0, os.SEEK_END) - 16_384))
                text = log.read().decode("utf-8", "replace")
        except OSError:
            return ""
        return "\n".join([line for line in text.splitlines() if ": weak version `" not in line][-lines:])

    def _spawn(self, binary: Path, port: int, lock_fd: int) -> subprocess.Popen[bytes]:
        log_path = self._layout.broker_log
        fresh = not log_path.exists() or log_path.stat().st_size > LOG_LIMIT_BYTES
        serve = ["start", "--only", "kafka", "--host", HOST, "--kafka-port", str(port)]
        supervisor = [sys.executable, "-I", "-S", child.__file__, str(lock_fd), str(self._save_s)]
        with log_path.open("wb" if fresh else "ab") as log:
            return subprocess.Popen(
                [*supervisor, str(binary), *serve, "--data-dir", str(self._layout.broker)],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                cwd=self._layout.root,
                pass_fds=(lock_fd,),
                start_new_session=True,
            )

    async def _answers(self) -> None:
        deadline = time.monotonic() + self._start_s
        while True:
            assert self._process is not None
            code = self._process.poll()
            if code is not None:
                raise Unavailable(f"the embedded broker ended with code {code} while starting; {self._log()}")
            left = deadline - time.monotonic()
            if left <= 0:
                raise Unavailable(f"the embedded broker did not answer within {self._start_s:g} s; {self._log()}")
            if await _speaks_kafka(self.bootstrap, left) and self._process.poll() is None:
                return
            await asyncio.sleep(0.02)

    def _log(self) -> str:
        return f"the end of {self._layout.broker_log}:\n{self.log_tail()}"


async def _speaks_kafka(bootstrap: str, timeout_s: float) -> bool:
    host, _, port = bootstrap.rpartition(":")
    try:
        # A bare connection first: aiokafka logs an error for each refused one.
        _, writer = await asyncio.wait_for(asyncio.open_connection(host, int(port)), timeout_s)
        writer.close()
        admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=max(1, int(timeout_s * 1000)))
        try:
            await asyncio.wait_for(admin.start(), timeout_s)
            await asyncio.wait_for(admin.list_topics(), timeout_s)
        finally:
            await admin.close()
    except (OSError, KafkaError, TimeoutError):
        return False
    return True


def find_binary() -> Path:
    """The broker's binary beside the `noida_db` module; UsageError lists each place tried."""
    tried: list[str] = []
    spec = importlib.util.find_spec("noida_db")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        for name in ("noida-db", "noida-db.exe"):
            candidate = Path(folder) / name
            if candidate.is_file() and os.access(candidate, os.X_OK):
                return candidate
            tried.append(f"{candidate} ({'not executable' if candidate.is_file() else 'not there'})")
    if not tried:
        tried.append("the Python module `noida_db` (not installed)")
    places = "\n".join(f"  - {place}" for place in tried)
    raise NotPossible(
        f"the embedded broker's binary is missing; tried:\n{places}\n"
        "Install it with `pip install noida-db` (Linux x86-64 and arm64, macOS, Windows), or use a Kafka by its URL."
    )


async def take_over(layout: Layout, save_s: float = SAVE_S) -> int:
    """Wait for a leftover broker of a crashed owner to save and end; then a descriptor that holds DIR/broker.lock.

    The lock is inherited by the broker and its supervisor, so it is free when both are gone, however they ended. A
    leftover is told to stop (SIGTERM, which it may have had already) and gets `save_s` seconds, then SIGKILL;
    Unavailable when even that does not free the lock.
    """
    fd = os.open(layout.broker_lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    started = time.monotonic()
    told = killed = False
    try:
        while True:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                waited = time.monotonic() - started
                if not told and waited > 0.2:
                    told = _signal_leftover(fd, signal.SIGTERM)
                if not killed and waited > save_s:
                    killed = _signal_leftover(fd, signal.SIGKILL)
                if waited > save_s + 10.0:
                    raise Unavailable(
                        f"the broker of an earlier run still holds {layout.broker_lock} (its pids: {_pids(fd)}); end it"
                    ) from None
                await asyncio.sleep(0.05)
            else:
                os.ftruncate(fd, 0)
                return fd
    except BaseException:
        os.close(fd)
        raise


def _pids(fd: int) -> list[int]:
    """Supervisor and broker, as `streams.embedded.child` wrote them; empty before it did."""
    return [int(word) for word in os.pread(fd, 64, 0).split() if word.isdigit()]


def _signal_leftover(fd: int, number: signal.Signals) -> bool:
    """Signal the processes that hold the lock; False when none could be told (their pids are not written yet)."""
    told = False
    for pid in _pids(fd):
        if not _is_ours(pid, fd):
            continue
        try:
            os.kill(pid, number)
        except (ProcessLookupError, PermissionError):
            continue
        told = True
    return told


def _is_ours(pid: int, lock_fd: int) -> bool:
    """Whether `pid` still holds the lock file open, so that a reused pid is never signalled.

    Linux shows it in /proc. Elsewhere the held lock itself is the evidence: a holder of it wrote the pids.
    """
    held = Path(f"/proc/{pid}/fd")
    if not sys.platform.startswith("linux"):
        return True
    ours = os.fstat(lock_fd)
    try:
        for entry in held.iterdir():
            try:
                theirs = entry.stat()
            except OSError:
                continue
            if (theirs.st_dev, theirs.st_ino) == (ours.st_dev, ours.st_ino):
                return True
    except OSError:
        return False
    return False


def free_port() -> int:
    """A TCP port that is free on 127.0.0.1 at this moment."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def port_is_free(port: int) -> bool:
    """Whether a server could listen on 127.0.0.1:`port` now; connections lingering from an earlier run do not count."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True
