"""Keeps one command running exactly as long as the process that started it lives.

    python -I -S child.py LOCK_FD GRACE_S COMMAND [ARGUMENT ...]

A plain child outlives a parent that is killed with -9, and "signal on parent's death" (Linux only) follows the parent's
THREAD, not the process. So this small process stands between: its standard input is a pipe that only the parent holds.

1. write `<own pid> <command's pid>` into LOCK_FD, which both inherit locked: the lock is free when both are gone;
2. wait until the command ends, the pipe closes, the parent is gone, or SIGTERM, SIGINT or SIGHUP arrives;
3. then SIGTERM to the command, GRACE_S seconds for it to save, SIGKILL.

The exit code is the command's (128 + n when signal n ended it). If this process itself is killed with -9, Linux sends
the command SIGTERM; elsewhere the command is left running, and the next start ends it by the lock.
Standard library only.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from types import FrameType

PR_SET_PDEATHSIG = 1
"""prctl(2), <linux/prctl.h>."""
LOOK_S = 1.0
"""The pipe says at once that the parent is gone; this is for a pipe that some other process inherited by mistake."""


def main(arguments: list[str]) -> int:
    """Run `COMMAND` to its end and return the exit code."""
    parent = os.getppid()
    lock_fd, grace_s, command = int(arguments[0]), float(arguments[1]), arguments[2:]
    asked: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        asked.append(number)

    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, note)
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)

    # preexec_fn is safe here: this process has one thread.
    end_with_us = _end_with_parent if sys.platform == "linux" else None
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, pass_fds=(lock_fd,), preexec_fn=end_with_us)
    os.ftruncate(lock_fd, 0)
    os.pwrite(lock_fd, f"{os.getpid()} {process.pid}\n".encode(), 0)

    while process.poll() is None and not asked and os.getppid() == parent:
        readable, _, _ = select.select([0, woken], [], [], LOOK_S)
        if woken in readable:
            os.read(woken, 512)
        if 0 in readable and not os.read(0, 512):
            break
    code = process.poll()
    if code is None:
        process.terminate()
        code = _wait(process, grace_s)
    return code if code >= 0 else 128 - code


def _wait(process: subprocess.Popen[bytes], grace_s: float) -> int:
    deadline = time.monotonic() + grace_s
    try:
        return process.wait(max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def _end_with_parent() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
