"""DIR of `--embedded DIR`: what lies where, who owns it, and how other processes find the owner.

    DIR/lock        held (flock) for the owner's life; its text is the owner's pid
    DIR/run.json    where a running owner answers (`Running`); written when everything is up, removed on stop
    DIR/broker/     the broker's saved topics     DIR/broker.log, DIR/broker.lock: see `streams.embedded.broker`
    DIR/ledger/     chDB's data
    DIR/tmp/        scratch files, emptied by each new owner
    DIR/spendstream.toml    settings of whoever works on DIR, if the operator put one there: see `streams.config`

One process owns DIR: chDB belongs to one process, and a second broker on the same data would overwrite the first one's
topics. The lock decides, never a file's text: it goes with the process however that ends, so a `run.json` whose lock is
free is the remains of a crash. The order of a start is 1. lock, 2. broker and ledger, 3. `run.json`; a stop goes the
other way round (`withdraw`, then the parts, then `release`).

Known limit: flock is not dependable on some network file systems; DIR belongs on a local disk.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from streams.errors import NotPossible, UsageError

LOCK_ATTEMPTS = 10
"""Tries 50 ms apart: `holder` takes a shared lock for some microseconds to look, and must not make a start fail."""


class Running(BaseModel):
    """What `run.json` says of a running owner; addresses are `host:port`."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    pid: int
    broker: str
    clickhouse: str
    api: str
    started_at: AwareDatetime


@dataclass(frozen=True, slots=True)
class Layout:
    """The paths of one embedded directory; nothing is created by naming them."""

    root: Path

    @property
    def lock(self) -> Path:
        return self.root / "lock"

    @property
    def run_json(self) -> Path:
        return self.root / "run.json"

    @property
    def broker(self) -> Path:
        return self.root / "broker"

    @property
    def broker_log(self) -> Path:
        return self.root / "broker.log"

    @property
    def broker_lock(self) -> Path:
        return self.root / "broker.lock"

    @property
    def ledger(self) -> Path:
        return self.root / "ledger"

    @property
    def tmp(self) -> Path:
        return self.root / "tmp"


class OwnedDirectory:
    """An embedded directory that this process owns until `release` (or its death)."""

    def __init__(self, layout: Layout, lock_fd: int) -> None:
        """Use `own`; `lock_fd` is an open descriptor that holds the lock."""
        self.layout = layout
        self._lock_fd: int | None = lock_fd

    def announce(self, running: Running) -> None:
        """Write `run.json` whole or not at all; call it when everything answers."""
        fresh = self.layout.run_json.with_name(f"run.json.{os.getpid()}")
        fresh.write_text(running.model_dump_json(indent=2) + "\n", encoding="utf-8")
        fresh.replace(self.layout.run_json)

    def withdraw(self) -> None:
        """Take `run.json` away: the first step of a stop, so that nobody is sent to an address that is closing."""
        if self._lock_fd is not None:
            self.layout.run_json.unlink(missing_ok=True)

    def release(self) -> None:
        """Withdraw, and give the directory up; a second call does nothing."""
        if self._lock_fd is None:
            return
        self.withdraw()
        os.close(self._lock_fd)
        self._lock_fd = None

    def __enter__(self) -> OwnedDirectory:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.release()


def own(root: Path) -> OwnedDirectory:
    """Create `root` where it is missing, lock it for this process and lay it out.

    Raises NotPossible when another process owns it, UsageError when it cannot be a directory of ours.
    """
    layout = Layout(root.expanduser().absolute())
    try:
        layout.root.mkdir(parents=True, exist_ok=True)
        lock_fd = os.open(layout.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise UsageError(f"cannot use {layout.root} as embedded directory: {error.strerror}") from error
    try:
        try:
            locked = _lock(lock_fd)
        except OSError as error:
            raise UsageError(f"cannot lock {layout.lock}: {error.strerror}; put DIR on a local disk") from error
        if not locked:
            raise NotPossible(_taken(layout))
        os.ftruncate(lock_fd, 0)
        os.pwrite(lock_fd, f"{os.getpid()}\n".encode(), 0)
        layout.run_json.unlink(missing_ok=True)
        shutil.rmtree(layout.tmp, ignore_errors=True)
        try:
            for folder in (layout.broker, layout.ledger, layout.tmp):
                folder.mkdir(exist_ok=True)
        except OSError as error:
            raise UsageError(f"cannot lay out {layout.root}: {error.strerror} ({error.filename})") from error
    except BaseException:
        os.close(lock_fd)
        raise
    return OwnedDirectory(layout, lock_fd)


def _lock(fd: int) -> bool:
    for attempt in range(LOCK_ATTEMPTS):
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if attempt + 1 < LOCK_ATTEMPTS:
                time.sleep(0.05)
        else:
            return True
    return False


def holder(root: Path) -> int | None:
    """Pid of the process that owns `root` now; None when nobody does; 0 when its pid is not written yet."""
    try:
        fd = os.open(Layout(root.expanduser().absolute()).lock, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UsageError(f"cannot look at {root}: {error.strerror}") from error
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            text = os.pread(fd, 32, 0).decode("ascii", "replace").strip()
            return int(text) if text.isdigit() else 0
        return None
    finally:
        os.close(fd)


def find_running(root: Path) -> Running | None:
    """Where the owner of `root` answers, or None when nobody owns it.

    Raises NotPossible when the owner has not finished starting (or is stopping), so that there is nothing to ask yet.
    """
    layout = Layout(root.expanduser().absolute())
    pid = holder(layout.root)
    if pid is None:
        return None
    try:
        running = Running.model_validate_json(layout.run_json.read_bytes())
    except FileNotFoundError:
        running = None
    except (OSError, ValidationError) as error:
        raise UsageError(f"{layout.run_json} cannot be read: {error}") from error
    if running is None or running.pid != pid:
        raise NotPossible(f"{layout.root} is owned by {_process(pid)}, which is starting or stopping; try again soon")
    return running


def _taken(layout: Layout) -> str:
    pid = holder(layout.root)
    where = ""
    try:
        running = find_running(layout.root)
        where = f" (ClickHouse over HTTP at {running.clickhouse}, API at {running.api})" if running else ""
    except (NotPossible, UsageError):
        pass
    stop = f"stop it with `kill {pid}`" if pid else "stop it"
    return (
        f"{layout.root} is in use by {_process(pid)}{where}. Query it with `spendstream sql --embedded {layout.root}`, "
        f"{stop} and start again, or choose another directory."
    )


def _process(pid: int | None) -> str:
    return f"process {pid}" if pid else "another process"
