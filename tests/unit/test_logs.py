"""Logs: one form for our own and the libraries' lines, with exceptions, on standard error."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from typing import Any

import pytest

SCRIPT = """
import logging, sys, structlog
from streams.logs import configure_logs
configure_logs({level!r}, {style!r})
configure_logs({level!r}, {style!r})
log = structlog.get_logger("spendstream.test")
log.debug("fine"); log.info("news", n=1)
try:
    raise ValueError("boom")
except ValueError as error:
    log.error("failed", exc_info=error)
logging.getLogger("library").warning("from %s", "outside")
logging.getLogger("aiokafka.consumer").info("chatter")
logging.getLogger("aiokafka.consumer").warning("heed")
print("answer")
"""


def run(level: str, style: str) -> tuple[str, list[str]]:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(level=level, style=style)], capture_output=True, text=True, check=True
    )
    return done.stdout, done.stderr.splitlines()


@pytest.mark.parametrize("style", ["json", "auto"])
def test_json_lines_where_there_is_no_terminal(style: str) -> None:
    out, lines = run("info", style)
    assert out == "answer\n", "standard output belongs to answers"
    entries: list[dict[str, Any]] = [json.loads(line) for line in lines]
    assert [(e["event"], e["level"], e["logger"]) for e in entries] == [
        ("news", "info", "spendstream.test"),
        ("failed", "error", "spendstream.test"),
        ("from outside", "warning", "library"),
        ("heed", "warning", "aiokafka.consumer"),
    ]
    assert entries[0]["n"] == 1
    assert "ValueError: boom" in entries[1]["exception"]
    assert all(entry["timestamp"].endswith("Z") for entry in entries)


def test_console_shows_the_same_without_colours_in_a_pipe() -> None:
    _, lines = run("info", "console")
    text = "\n".join(lines)
    assert "news" in text
    assert "ValueError: boom" in text
    assert "chatter" not in text
    assert "\x1b[" not in text


def test_levels() -> None:
    assert any('"fine"' in line for line in run("debug", "json")[1])
    errors = [json.loads(line)["event"] for line in run("error", "json")[1]]
    assert "news" not in errors
    assert "failed" in errors


@pytest.mark.parametrize(("no_color", "coloured"), [("", True), ("1", False)])
def test_a_terminal_has_colours_unless_no_color_says_otherwise(no_color: str, coloured: bool) -> None:
    ours, theirs = pty.openpty()
    try:
        subprocess.run(
            [sys.executable, "-c", SCRIPT.format(level="info", style="auto")],
            stdout=subprocess.DEVNULL, stderr=theirs, check=True, env={**os.environ, "NO_COLOR": no_color},
        )  # fmt: skip
        text = os.read(ours, 1 << 16)
    finally:
        os.close(ours)
        os.close(theirs)
    assert b"news" in text
    assert (b"\x1b[" in text) is coloured
