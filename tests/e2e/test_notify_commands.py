"""`notify` and the refusals of `incidents` and `controls`, as a user runs them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.e2e.command import spendstream
from tests.standin import Receiver, answer

POLICIES = """
[channel.oncall]
type = "webhook"
url = "env:ONCALL_URL"
secret = "env:ONCALL_SECRET"
[channel.chat]
type = "apprise"
url = "env:CHAT_URL"
[channel.prom]
type = "alertmanager"
url = "env:PROM_URL"
[[route]]
channels = ["oncall", "chat", "prom"]
"""


def test_list_masks_and_test_sends(tmp_path: Path) -> None:
    (tmp_path / "policies.toml").write_text(POLICIES)
    with Receiver() as receiver:
        at = receiver.url.removeprefix("http://")
        variables = {
            "SPENDSTREAM_POLICIES_FILE": str(tmp_path / "policies.toml"),
            "ONCALL_URL": f"{receiver.url}/hook?token=s3cr3t",
            "ONCALL_SECRET": "0123456789-s3cr3t",
            "CHAT_URL": f"json://user:s3cr3t@{at}/s3cr3t",
            "PROM_URL": f"http://u:s3cr3t@{at}",
        }
        listed = spendstream("notify", variables=variables)
        assert listed.code == 0
        assert "s3cr3t" not in listed.out.decode() + listed.err
        assert f"{receiver.url}/***" in listed.out.decode()
        done = spendstream("notify", "test", "--json", variables=variables)
        assert [one["taken"] for one in done.json["results"]] == [True, True, True]
        assert [request.path.split("?")[0] for request in receiver.requests] == [
            "/hook", "/s3cr3t", "/api/v2/alerts", "/api/v2/alerts",
        ]  # fmt: skip
        receiver.next(answer(500))
        failed = spendstream("notify", "test", "--channel", "oncall", variables=variables)
        assert (failed.code, failed.out.decode()) == (1, "oncall: answered 500\n")
        wrong = spendstream("notify", "test", "--channel", "nobody", variables=variables)
        assert (wrong.code, "there are oncall, chat, prom" in wrong.err) == (2, True)


def test_faults_of_the_file_are_told_at_once_without_secrets(tmp_path: Path) -> None:
    (tmp_path / "policies.toml").write_text(POLICIES)
    variables = {"SPENDSTREAM_POLICIES_FILE": str(tmp_path / "policies.toml"), "CHAT_URL": "s3cr3t"}
    ended = spendstream("notify", "list", variables=variables)
    assert ended.code == 2
    for words in ("no ONCALL_URL", "no ONCALL_SECRET", "no PROM_URL", "apprise knows"):
        assert words in ended.err
    assert "s3cr3t" not in ended.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("notify", "test"), "there are no channels"),
        (("controls", "set", "team:x", "--block", "--reason", "r"), "is no target"),
        (("controls", "set", "run:x", "--reason", "r"), "one of --block"),
        (("controls", "set", "run:x", "--block", "--throttle", "5", "--reason", "r"), "one of --block"),
        (("controls", "release", "run:x"), "--reason"),
        (("incidents", "explode"), "No such command"),
    ],
)
def test_wrong_usage_says_what_is_right(arguments: tuple[str, ...], words: str) -> None:
    ended = spendstream(*arguments)
    assert (ended.code, ended.out) == (2, b"")
    assert words in ended.err


def test_without_a_worker_writing_says_so(tmp_path: Path) -> None:
    variables = {"SPENDSTREAM_HTTP_PORT": "1"}
    ended = spendstream("controls", "set", "run:x", "--block", "--reason", "r", variables=variables)
    assert ended.code == 1
    assert "SPENDSTREAM_HTTP_HOST" in ended.err
    nobody = spendstream("controls", "set", "run:x", "--block", "--reason", "r", "--embedded", tmp_path)
    assert (nobody.code, "no worker runs" in nobody.err) == (1, True)


def test_notify_list_without_a_file_says_what_happens() -> None:
    ended = spendstream("notify", "list", "--json")
    assert ended.json == json.loads('{"channels": []}')
