"""The policies file: every fault at once, secrets only by reference and never shown."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import schemas.policies
from streams.alert.policies import DEFAULT_CONTROLS, load_policies, parse_policies
from streams.errors import SettingsError

ENVIRONMENT = {
    "ONCALL_URL": "https://hooks.example.org/x?token=s3cr3t",
    "CHAT_URL": "json://user:s3cr3t@localhost/path",
    "SECRET": "0123456789abcdef-s3cr3t",
}
GOOD = """
[channel.oncall]
type = "webhook"
url = "env:ONCALL_URL"
secret = "env:SECRET"
[channel.chat]
type = "apprise"
url = "env:CHAT_URL"
[channel.prom]
type = "alertmanager"
url = "http://alertmanager:9093"
[[route]]
severities = ["critical"]
channels = ["oncall", "prom"]
[[route]]
channels = ["chat"]
digest_hours = 4
quiet = { from = "22:00", to = "07:00", zone = "Europe/Berlin" }
[[control]]
name = "loops"
kinds = ["loop"]
mode = "enforce"
action = "throttle"
rate_per_minute = 6
"""


def faults(text: str, environment: dict[str, str] | None = None) -> list[str]:
    """What is wrong with it."""
    with pytest.raises(SettingsError) as caught:
        parse_policies(text, "policies.toml", ENVIRONMENT if environment is None else environment)
    assert "s3cr3t" not in str(caught.value)
    return caught.value.faults


def test_a_whole_file_is_read() -> None:
    policies = parse_policies(GOOD, "policies.toml", ENVIRONMENT)
    assert list(policies.channels) == ["oncall", "chat", "prom"]
    assert policies.channels["oncall"].url.get_secret_value() == ENVIRONMENT["ONCALL_URL"]
    assert policies.channels["prom"].remind_ms == 7 * 86_400_000
    assert policies.routes[1].digest_hours == 4
    assert policies.controls[0].action == "throttle"
    assert "s3cr3t" not in repr(policies)


def test_the_example_of_the_contract_is_a_good_file(tmp_path: Path) -> None:
    text = (schemas.policies.__doc__ or "").split("\n\n", 1)[1].rsplit("\n\nValues", 1)[0]
    (tmp_path / "secret").write_text("0123456789abcdef0123\n")
    text = text.replace("/run/secrets/oncall", str(tmp_path / "secret"))
    policies = parse_policies(text, "example", ENVIRONMENT)
    assert [len(route.channels) for route in policies.routes] == [2, 1]
    assert policies.channels["oncall"].secret is not None
    assert policies.channels["oncall"].secret.get_secret_value() == "0123456789abcdef0123"


def test_without_a_file_nothing_is_sent_and_controls_observe() -> None:
    policies = load_policies(None, {})
    assert policies.channels == {}
    assert policies.controls == DEFAULT_CONTROLS
    assert DEFAULT_CONTROLS[0].mode == "observe"


def test_all_faults_between_values_are_told_at_once() -> None:
    text = GOOD.replace('channels = ["chat"]', 'channels = ["chat", "nobody", "prom"]').replace(
        'url = "env:ONCALL_URL"', 'url = "env:MISSING"'
    )
    found = faults(text + '[[control]]\nname = "loops"\n[channel.unused]\ntype = "apprise"\nurl = "env:CHAT_URL"\n')
    assert len(found) == 5
    for words in (
        "no channel 'nobody'",
        "groups and waits by itself",
        "has no MISSING",
        "stands twice",
        "no route uses",
    ):
        assert any(words in fault for fault in found), words


def test_all_faults_of_single_values_are_told_at_once() -> None:
    found = faults(
        GOOD.replace('"webhook"', '"pigeon"')
        .replace('"critical"', '"grave"')
        .replace("Europe/Berlin", "Europe/Nowhere")
        .replace("rate_per_minute = 6\n", "")
    )
    assert len(found) == 4


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('url = "env:CHAT_URL"', 'url = "slack://T/A/s3cr3t"', "does not belong here"),
        ('secret = "env:SECRET"', 'secret = "s3cr3t"', "does not belong here"),
        ("http://alertmanager:9093", "http://user:s3cr3t@alertmanager:9093", "holds a secret"),
        ("http://alertmanager:9093", "http://alertmanager:9093/?key=s3cr3t", "holds a secret"),
        ("http://alertmanager:9093", "alertmanager:9093", "must be http"),
        ('url = "env:CHAT_URL"', 'url = "env:ONCALL_TEXT"', "apprise knows"),
        ('url = "env:CHAT_URL"', 'url = "file:/no/such/file"', "cannot be read"),
        ('mode = "enforce"\naction = "throttle"\nrate_per_minute = 6', 'mode = "enforce"', "needs an action"),
        ('action = "throttle"', 'action = "block"', "belongs to"),
        ('from = "22:00", to = "07:00"', 'from = "07:00", to = "07:00"', "same moment"),
        ("digest_hours = 4", "digest_hours = 0", "greater than or equal"),
        ('channels = ["chat"]', 'channels = ["chat", "chat"]', "twice"),
        ("[[route]]", "[[roote]]", "Extra inputs"),
        ("type", "= ", "TOML"),
    ],
)
def test_each_fault_is_named(old: str, new: str, words: str) -> None:
    assert old in GOOD
    environment = ENVIRONMENT | {"ONCALL_TEXT": "no such thing s3cr3t"}
    assert any(words in fault for fault in faults(GOOD.replace(old, new), environment))


def test_a_short_secret_is_refused_unquoted() -> None:
    [fault] = faults(GOOD, ENVIRONMENT | {"SECRET": "s3cr3t"})
    assert "less than 16 characters" in fault


@given(st.text(max_size=300))
def test_any_text_is_a_file_or_a_list_of_faults(text: str) -> None:
    try:
        policies = parse_policies(text, "x", {})
    except SettingsError:
        return
    assert policies.channels == {}  # whatever it says, the environment is empty
