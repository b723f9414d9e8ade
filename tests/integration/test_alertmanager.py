"""The real Alertmanager (Debian: prometheus-alertmanager): alerts stand while they are said, rise, and end.

It is looked for on the PATH and in SPENDSTREAM_TEST_ALERTMANAGER; without it these tests are skipped, and say so.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from streams.alert.channels.alertmanager import EXPIRE_MS
from streams.alert.channels.base import ChannelError
from streams.alert.channels.make import make_channel
from streams.alert.message import one
from streams.alert.policies import ChannelSettings
from tests.notices import notice
from tests.standin import Receiver

BINARY = (
    os.environ.get("SPENDSTREAM_TEST_ALERTMANAGER")
    or shutil.which("prometheus-alertmanager")
    or shutil.which("alertmanager")
)
pytestmark = pytest.mark.skipif(
    BINARY is None,
    reason="no Alertmanager: `apt-get install prometheus-alertmanager`, or without root `apt-get download "
    "prometheus-alertmanager && dpkg -x prometheus-alertmanager_*.deb DIR` and "
    "SPENDSTREAM_TEST_ALERTMANAGER=DIR/usr/bin/prometheus-alertmanager",
)


class Running:
    """An Alertmanager that pages a receiver, one group an incident, without waiting."""

    def __init__(self, folder: Path, pages: str) -> None:
        config = {
            "route": {
                "receiver": "page", "group_by": ["subject"], "group_wait": "0s", "group_interval": "1s",
                "repeat_interval": "1h",
            },
            "receivers": [{"name": "page", "webhook_configs": [{"url": pages, "send_resolved": True}]}],
        }  # fmt: skip
        (folder / "config.yml").write_text(json.dumps(config))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self._log = (folder / "log").open("wb")
        assert BINARY is not None
        self._process = subprocess.Popen(
            [
                BINARY, f"--config.file={folder / 'config.yml'}", f"--storage.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address=",
            ],
            stdout=self._log, stderr=self._log,
        )  # fmt: skip
        until(lambda: self._process.poll() is not None or self._ready())
        assert self._process.poll() is None, (folder / "log").read_text()

    def _ready(self) -> bool:
        try:
            with urllib.request.urlopen(self.url + "/-/ready", timeout=2) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def alerts(self) -> list[dict[str, Any]]:
        """The alerts that stand."""
        with urllib.request.urlopen(self.url + "/api/v2/alerts", timeout=5) as answer:
            found: list[dict[str, Any]] = json.loads(answer.read())
        return found

    def stop(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait(20)
        self._log.close()


def until(holds: Callable[[], object], timeout_s: float = 30.0) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture
def pages() -> Iterator[Receiver]:
    """Whom Alertmanager pages."""
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def alertmanager(tmp_path: Path, pages: Receiver) -> Iterator[Running]:
    """A running one."""
    running = Running(tmp_path, pages.url + "/page")
    yield running
    running.stop()


def test_an_incident_from_opened_to_resolved(alertmanager: Running, pages: Receiver) -> None:
    channel = make_channel(ChannelSettings("prom", "alertmanager", SecretStr(alertmanager.url)))
    now_ms = time.time_ns() // 1_000_000
    opened = notice(links={"agent board": "https://g/d/x"}, at_ms=now_ms - 60_000)
    channel.send(one(opened), now_ms)
    [page] = pages.wait(1)
    assert page.json["status"] == "firing"
    assert page.json["commonLabels"]["alertname"] == "SpendstreamLoop"
    assert page.json["commonAnnotations"]["summary"] == opened.title

    # Said again (as every minute) it is the same alert, with a later end.
    [before] = alertmanager.alerts()
    channel.remind([opened], now_ms + 30_000)
    [after] = alertmanager.alerts()
    assert after["fingerprint"] == before["fingerprint"]
    assert after["startsAt"] == before["startsAt"]
    assert after["endsAt"] > before["endsAt"]

    # The severity rises: one alert ends, the other stands.
    worse = notice("inc-1:2", severity="critical", change="escalated", at_ms=now_ms)
    channel.send(one(worse, (opened,)), now_ms + 1)
    until(lambda: [alert["labels"]["severity"] for alert in alertmanager.alerts()] == ["critical"])

    over = notice("inc-1:3", severity="critical", change="resolved", resolved=True, at_ms=now_ms + 1)
    channel.send(one(over, (opened, worse)), time.time_ns() // 1_000_000)
    until(lambda: alertmanager.alerts() == [])
    until(lambda: pages.requests[-1].json["status"] == "resolved")
    assert {request.json["groupKey"] for request in pages.requests} == {'{}:{subject="inc-1"}'}


def test_an_alert_that_nobody_says_again_ends_by_itself(alertmanager: Running, pages: Receiver) -> None:
    channel = make_channel(ChannelSettings("prom", "alertmanager", SecretStr(alertmanager.url)))
    now_ms = time.time_ns() // 1_000_000
    channel.send(one(notice(at_ms=now_ms - EXPIRE_MS)), now_ms - EXPIRE_MS + 1500)
    assert len(alertmanager.alerts()) == 1
    until(lambda: alertmanager.alerts() == [])


def test_what_it_refuses_is_told(alertmanager: Running) -> None:
    channel = make_channel(ChannelSettings("prom", "alertmanager", SecretStr(alertmanager.url + "/no/such/path")))
    with pytest.raises(ChannelError, match="404"):
        channel.send(one(notice()), time.time_ns() // 1_000_000)
