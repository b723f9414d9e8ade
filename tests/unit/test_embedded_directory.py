"""Who owns an embedded directory, and what others learn of it, through starts, stops and crashes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from streams.embedded.directory import Layout, Running, find_running, holder, own
from streams.errors import NotPossible, UsageError

OWNER = """
import sys, time
from datetime import datetime, UTC
from pathlib import Path
from streams.embedded.directory import Running, own
import os
owned = own(Path(sys.argv[1]))
if sys.argv[2] == "announce":
    owned.announce(Running(pid=os.getpid(), broker="127.0.0.1:1", clickhouse="127.0.0.1:2", api="127.0.0.1:3",
                           started_at=datetime.now(UTC)))
print("owned", flush=True)
time.sleep(60)
"""

LOOKER = """
import sys, time
from pathlib import Path
from streams.embedded.directory import holder
print("looking", flush=True)
while True:
    holder(Path(sys.argv[1]))
    time.sleep(0.0005)
"""


def running(pid: int) -> Running:
    started = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    return Running(pid=pid, broker="127.0.0.1:1", clickhouse="127.0.0.1:2", api="127.0.0.1:3", started_at=started)


@contextmanager
def other_owner(root: Path, announce: bool = True) -> Iterator[subprocess.Popen[bytes]]:
    word = "announce" if announce else "silent"
    process = subprocess.Popen([sys.executable, "-c", OWNER, str(root), word], stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == b"owned\n"
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_a_fresh_directory_is_made_and_laid_out(tmp_path: Path) -> None:
    with own(tmp_path / "a" / "b") as owned:
        layout = owned.layout
        assert layout.broker.is_dir()
        assert layout.ledger.is_dir()
        assert layout.tmp.is_dir()
        assert holder(layout.root) == os.getpid()
    assert holder(tmp_path / "a" / "b") is None


def test_an_announced_owner_is_found_and_leaves_nothing_behind(tmp_path: Path) -> None:
    owned = own(tmp_path)
    said = running(os.getpid())
    owned.announce(said)
    assert find_running(tmp_path) == said
    owned.withdraw()
    with pytest.raises(NotPossible, match="starting or stopping"):
        find_running(tmp_path)
    owned.release()
    owned.release()
    assert find_running(tmp_path) is None
    assert not owned.layout.run_json.exists()
    assert [path.name for path in tmp_path.glob("run.json*")] == []


def test_a_second_owner_is_told_who_holds_it_and_what_to_do(tmp_path: Path) -> None:
    with other_owner(tmp_path) as process:
        with pytest.raises(NotPossible) as caught:
            own(tmp_path)
        message = str(caught.value)
        assert f"process {process.pid}" in message
        assert f"kill {process.pid}" in message
        assert "127.0.0.1:2" in message
        assert f"spendstream sql --embedded {tmp_path}" in message
        found = find_running(tmp_path)
        assert found is not None
        assert found.pid == process.pid


def test_after_kill_9_nobody_is_found_and_the_next_owner_starts(tmp_path: Path) -> None:
    with other_owner(tmp_path) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert Layout(tmp_path).run_json.exists()
        assert find_running(tmp_path) is None
        with own(tmp_path) as owned:
            assert not owned.layout.run_json.exists()


def test_the_remains_of_a_crash_are_not_taken_for_an_owner_that_is_still_starting(tmp_path: Path) -> None:
    with other_owner(tmp_path, announce=False):
        Layout(tmp_path).run_json.write_text(running(pid=1).model_dump_json())
        with pytest.raises(NotPossible, match="starting or stopping"):
            find_running(tmp_path)


def test_scratch_files_of_an_earlier_owner_go_and_data_stays(tmp_path: Path) -> None:
    with own(tmp_path) as owned:
        (owned.layout.tmp / "half.written").write_text("x")
        (owned.layout.ledger / "data").write_text("x")
    with own(tmp_path) as owned:
        assert list(owned.layout.tmp.iterdir()) == []
        assert (owned.layout.ledger / "data").exists()


def test_looking_never_makes_a_start_fail(tmp_path: Path) -> None:
    """`holder` takes a shared lock for a moment."""
    own(tmp_path).release()
    process = subprocess.Popen([sys.executable, "-c", LOOKER, str(tmp_path)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"looking\n"
    try:
        for _ in range(30):
            own(tmp_path).release()
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_a_file_in_the_way_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(UsageError, match="cannot use"):
        own(tmp_path / "file")
    (tmp_path / "dir").mkdir()
    (tmp_path / "dir" / "ledger").write_text("x")
    with pytest.raises(UsageError, match="cannot lay out"):
        own(tmp_path / "dir")
    assert holder(tmp_path / "dir") is None


def test_nothing_is_created_by_looking(tmp_path: Path) -> None:
    assert find_running(tmp_path / "nowhere") is None
    assert not (tmp_path / "nowhere").exists()


def test_a_damaged_run_json_is_named(tmp_path: Path) -> None:
    with own(tmp_path) as owned:
        owned.layout.run_json.write_text("{")
        with pytest.raises(UsageError, match=r"run\.json cannot be read"):
            find_running(tmp_path)
