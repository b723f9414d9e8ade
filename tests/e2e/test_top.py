"""`spendstream top` on a demo that runs and on its directory afterwards, by keys, once, and where nothing answers."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.command import PATIENCE_S, environment, spendstream
from tests.e2e.terminal import Terminal

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("top") / "spend"


@pytest.fixture(scope="module")
def running(directory: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A demo on `directory` that has published some calls."""
    process = subprocess.Popen(
        [sys.executable, "-m", "streams.cli.main", "demo", "--seconds", "300", "--embedded", str(directory)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment(),
    )
    assert process.stdout is not None
    for line in process.stdout:
        if b"calls/s" in line:
            break
    yield process
    if process.poll() is None:
        process.terminate()
    process.communicate(timeout=PATIENCE_S)


def stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.communicate(timeout=PATIENCE_S)


def test_once_while_it_runs(directory: Path, running: subprocess.Popen[bytes]) -> None:
    shown = spendstream("top", "--embedded", directory, "--json").json
    assert shown["now_is"] == "newest_call"
    assert shown["calls"] > 0
    assert shown["written_per_second"] > 0
    assert 0 < shown["publish_to_ledger_ms"]["p50"] <= shown["publish_to_ledger_ms"]["p99"]
    assert {group["key"] for group in shown["by_tier"]} >= {"frontier", "mid", "oss"}
    assert shown["ledger"]["calls"] >= shown["calls"]


def test_by_keys_while_it_runs(directory: Path, running: subprocess.Popen[bytes]) -> None:
    with Terminal("top", "--embedded", directory, "--interval", "0.5", "--window", "24h") as terminal:
        terminal.until(lambda text: "newest call 20" in text and "$/min" in text and "coder-" in text)
        terminal.keys("2")
        terminal.until(lambda text: re.search(r"platform\s+\S+\s+\S+\s+\d", text) is not None)
        terminal.keys("\r")
        terminal.until(lambda text: "> team " in text)
        terminal.keys("?")
        terminal.until(lambda text: "Any key closes this" in text)
        terminal.keys("x")
        terminal.resize(40, 10)
        terminal.until(lambda text: "this one is 40x10" in text)
        terminal.keys("q")
        assert terminal.end() == 0
        assert "Traceback" not in terminal.text


def test_without_colour(directory: Path, running: subprocess.Popen[bytes]) -> None:
    with Terminal("top", "--embedded", directory, variables={"NO_COLOR": "1"}) as terminal:
        terminal.until(lambda text: "$/min" in text and "coder-" in text)
        terminal.keys("q")
        assert terminal.end() == 0
    coloured = re.findall(rb"\x1b\[[0-9;]*?38;2;(\d+);(\d+);(\d+)", terminal.raw)
    assert all(red == green == blue for red, green, blue in coloured)


def test_a_stopped_directory_is_read_and_left_free(directory: Path, running: subprocess.Popen[bytes]) -> None:
    stop(running)
    with Terminal("top", "--embedded", directory) as terminal:
        terminal.until(lambda text: "nothing runs on this directory" in text and "coder-" in text)
        time.sleep(1)
        ended = spendstream("sql", "--embedded", directory, "--json", "SELECT count() > 0 FROM calls")
        assert ended.json["rows"] == [[1]] or ended.json["rows"] == [[True]]
        terminal.keys("q")
        assert terminal.end() == 0
    text = spendstream("top", "--embedded", directory, "--once", "--by", "teams").out.decode()
    assert "nothing runs on this directory" in text
    assert "\x1b" not in text
    assert re.search(r"^frontier\s", text, re.M)


def test_nobody_answers(tmp_path: Path) -> None:
    away = {"SPENDSTREAM_CLICKHOUSE_URL": "http://someone:secret@127.0.0.1:9/spendstream"}
    ended = spendstream("top", "--once", variables=away)
    assert ended.code == 1
    assert "127.0.0.1:9 does not answer" in ended.err
    with Terminal("top", "--interval", "0.5", variables=away) as terminal:
        terminal.until(lambda text: "does not answer" in text and "asking again" in text)
        assert "secret" not in terminal.text
        terminal.keys("q")
        assert terminal.end() == 0
    missing = spendstream("top", "--once", "--embedded", tmp_path / "nowhere")
    assert missing.code == 2
    assert "no ledger in" in missing.err


def test_standard_error_in_a_file_leaves_the_screen_on_the_terminal(tmp_path: Path) -> None:
    away = {"SPENDSTREAM_CLICKHOUSE_URL": "http://127.0.0.1:9/spendstream"}
    errors = tmp_path / "errors"
    with errors.open("wb") as file, Terminal("top", variables=away, stderr=file) as terminal:
        terminal.until(lambda text: "does not answer" in text)
        terminal.keys("q")
        assert terminal.end() == 0
    assert errors.read_bytes() == b""


def test_a_pipe_gets_one_look(directory: Path) -> None:
    ended = spendstream("top", "--embedded", directory)
    assert ended.code == 0
    assert "$/min" in ended.out.decode()
