"""On-call's way, live: a loop is published, one page comes, it is looked at, taken, and resolved by command.

And through a kill -9 at the worst moment: the page that was being sent comes once more with the same id, never twice.
"""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from streams.controls.client import ControlClient
from streams.publish import SyncPublisher
from tests.e2e.command import Running, spendstream
from tests.standin import Receiver, answer, hang, then

pytestmark = pytest.mark.slow

POLICIES = """
[channel.oncall]
type = "webhook"
url = "env:ONCALL_URL"
secret = "env:ONCALL_SECRET"
[[route]]
severities = ["warning", "critical"]
channels = ["oncall"]
[[control]]
name = "stop-loops"
kinds = ["loop"]
mode = "enforce"
action = "block"
"""


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Settings with a policies file; the secrets are in the environment."""
    (tmp_path / "policies.toml").write_text(POLICIES)
    (tmp_path / "config.toml").write_text(
        f'policies_file = "{tmp_path / "policies.toml"}"\ngrafana_url = "https://grafana.example.org"\n'
    )
    monkeypatch.setenv("ONCALL_SECRET", "0123456789abcdef-s3cr3t")
    return tmp_path / "config.toml"


def started(directory: Path, config: Path) -> Running:
    """A worker on a directory."""
    directory.mkdir(exist_ok=True)
    return Running(directory, "--config", str(config))


def address(directory: Path, what: str) -> str:
    """Where the running system answers."""
    found: str = json.loads((directory / "run.json").read_text())[what]
    return found


def run_away(directory: Path, run_id: str, calls: int = 40) -> None:
    """An agent that asks the same again and again."""
    publisher = SyncPublisher(address(directory, "broker"), source="test").start()
    for _ in range(calls):
        publisher.publish(
            agent_id="bot", run_id=run_id, team_id="search", provider_name="openai", request_model="gpt-4o",
            input_tokens=2000, output_tokens=100, request_fingerprint="same", status="ok",
        )  # fmt: skip
        time.sleep(0.02)
    assert publisher.close(30).delivered == calls


def asked(directory: Path, *arguments: str) -> Any:
    """A command's JSON."""
    return spendstream("incidents", *arguments, "--embedded", directory, "--json").json


def until_state(directory: Path, incident: str, state: str) -> Any:
    """Wait for the incident's state."""
    deadline = time.monotonic() + 60
    while True:
        shown = asked(directory, "show", incident)
        if shown["incident"]["state"] == state:
            return shown
        assert time.monotonic() < deadline, shown
        time.sleep(0.2)


def test_one_runaway_one_page_taken_and_resolved_by_command(
    tmp_path: Path, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = tmp_path / "spend"
    with Receiver() as receiver:
        monkeypatch.setenv("ONCALL_URL", receiver.url + "/hook?token=s3cr3t")
        running = started(directory, config)
        try:
            run_away(directory, "run-1")
            [page] = receiver.wait(1, 60)
            assert page.json["change"] == "opened"
            assert page.json["labels"]["run"] == "run-1"
            assert "Since: " in page.json["body"]
            assert page.json["links"]["run board"].startswith("https://grafana.example.org/d/spendstream-audit?")

            [incident] = asked(directory)["incidents"]
            id_ = incident["incident_id"]
            assert page.json["subject"] == id_
            controls = ControlClient("http://" + address(directory, "api")).start(wait_s=30)
            deadline = time.monotonic() + 30
            while controls.may_call(run_id="run-1").allowed:
                assert time.monotonic() < deadline
                time.sleep(0.1)

            assert spendstream("incidents", "acknowledge", id_, "--embedded", directory, "--reason", "mine").code == 0
            done = spendstream("incidents", "resolve", id_[:8], "--embedded", directory, "--json")
            assert done.json["accepted"] is True
            shown = until_state(directory, id_, "resolved")
            assert [one["change"] for one in shown["history"] if one["change"] != "escalated"] == [
                "opened", "acknowledged", "resolved",
            ]  # fmt: skip
            assert receiver.wait(2, 60)[1].json["change"] == "resolved"
            deadline = time.monotonic() + 30
            while not controls.may_call(run_id="run-1").allowed:  # who resolves, releases
                assert time.monotonic() < deadline
                time.sleep(0.1)
            controls.close()
            again = spendstream("incidents", "resolve", id_, "--embedded", directory)
            assert (again.code, "resolved already" in again.err) == (1, True)
        finally:
            running.stop()
        assert [request.json["change"] for request in receiver.requests] == ["opened", "resolved"]
    words = spendstream("incidents", "show", id_, "--embedded", directory).out.decode()  # also when nobody runs
    assert "told" in words
    assert "opened to oncall: sent" in words
    assert "s3cr3t" not in words + directory.with_suffix(".log").read_text()
    refused = spendstream("incidents", "acknowledge", id_, "--embedded", directory)
    assert (refused.code, "no worker runs" in refused.err) == (1, True)


def test_killed_while_it_pages_it_pages_again_with_the_same_id_and_then_never(
    tmp_path: Path, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = tmp_path / "spend"
    with Receiver() as receiver:
        monkeypatch.setenv("ONCALL_URL", receiver.url + "/hook")
        first = started(directory, config)
        killed = []

        def kill() -> None:
            first.process.kill()
            first.process.wait(30)
            killed.append(True)

        receiver.next(then(kill, hang(0)))  # the page is there, its confirmation never gets written
        run_away(directory, "run-1", 20)
        deadline = time.monotonic() + 60
        while not killed:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert first.stop()[0] == -signal.SIGKILL
        receiver.next(answer(200))
        second = started(directory, config)
        try:
            receiver.wait(2, 120)
        finally:
            second.stop()
        third = started(directory, config)
        time.sleep(3)  # a second page would come at once
        third.stop()
        opened = [request for request in receiver.requests if request.json["change"] == "opened"]
        assert len({request.headers["webhook-id"] for request in opened}) == 1
        assert len(opened) == 2
        assert len(receiver.requests) == 2
