"""Kill points: only the named one, only at its count, and nothing at all without the variable."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from streams import killpoints

SCRIPT = """
import os, sys
from streams import killpoints
killpoints.arm(os.environ)
for number in range(1, 4):
    for point in killpoints.POINTS:
        killpoints.reached(point)
        print(point, number, flush=True)
"""


def run(wanted: str | None) -> tuple[int, list[str]]:
    environment = {key: value for key, value in os.environ.items() if key != "SPENDSTREAM_KILL_POINT"}
    if wanted is not None:
        environment["SPENDSTREAM_KILL_POINT"] = wanted
    done = subprocess.run([sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout.splitlines()


def test_without_the_variable_nothing_happens() -> None:
    code, lines = run(None)
    assert (code, len(lines)) == (0, 3 * len(killpoints.POINTS))


@pytest.mark.parametrize(("wanted", "point", "before"), [("publish.before", 2, 0), ("commit.after:3", 7, 2)])
def test_the_process_dies_there_and_then(wanted: str, point: int, before: int) -> None:
    code, lines = run(wanted)
    assert code == -signal.SIGKILL
    assert len(lines) == before * len(killpoints.POINTS) + point


@pytest.mark.parametrize("wanted", ["insert", "insert.before:x", "nowhere:1"])
def test_a_wrong_variable_is_refused_not_ignored(wanted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(killpoints, "_armed", {})
    with pytest.raises(ValueError, match=r"no kill point|invalid literal"):
        killpoints.arm({"SPENDSTREAM_KILL_POINT": wanted})
    assert killpoints._armed == {}
