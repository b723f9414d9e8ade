"""A real headless browser for tests of pages: the DOM after scripts ran, or a picture."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

PATIENCE_S = 90


def chromium() -> str:
    """The browser's path. Skips the test, loudly, where there is none."""
    for name in ("chromium", "chromium-browser", "google-chrome", "chrome"):
        found = shutil.which(name)
        if found:
            return found
    pytest.skip("no Chromium here: install the package `chromium` to test pages in a real browser")


def dom(url: str, profile: Path, *, width: int = 1280, height: int = 1400, wait_ms: int = 4000) -> str:
    """The page's HTML after `wait_ms` of its own time."""
    return _run(url, profile, width, height, wait_ms, "--dump-dom")


def picture(url: str, profile: Path, out: Path, *, width: int = 1280, height: int = 1400, wait_ms: int = 4000) -> None:
    """A screenshot as PNG."""
    _run(url, profile, width, height, wait_ms, f"--screenshot={out}")


def _run(url: str, profile: Path, width: int, height: int, wait_ms: int, what: str) -> str:
    done = subprocess.run(
        [
            chromium(), "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--lang=en-US",
            f"--user-data-dir={profile}", f"--window-size={width},{height}", f"--virtual-time-budget={wait_ms}",
            what, url,
        ],
        capture_output=True, text=True, timeout=PATIENCE_S, check=True,
    )  # fmt: skip
    return done.stdout
