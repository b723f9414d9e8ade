"""The files and the receiver of docs/oncall.md and docs/controls.md do what the pages say."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from schemas.policies import AlertmanagerChannel, AppriseChannel, ControlPolicy, PoliciesFile, Route, WebhookChannel
from streams.alert.channels.make import make_channel
from streams.alert.message import one
from streams.alert.policies import LEAST_SECRET, ChannelSettings, parse_policies
from tests.fakes import BASE_MS
from tests.notices import notice
from tests.standin import Receiver

DOCS = Path(__file__).parents[3] / "docs"
ONCALL = (DOCS / "oncall.md").read_text("utf-8")
CONTROLS = (DOCS / "controls.md").read_text("utf-8")
ENVIRONMENT = {
    "ONCALL_URL": "https://hooks.example.org/x",
    "ONCALL_SECRET": "0123456789abcdef0123",
    "CHAT_URL": "json://localhost/chat",
}


def blocks(page: str, language: str) -> list[str]:
    """The blocks of a language."""
    return re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)


def test_the_policies_of_the_pages_are_good() -> None:
    [routes], [controls] = blocks(ONCALL, "toml"), blocks(CONTROLS, "toml")
    policies = parse_policies(routes + controls, "policies.toml", ENVIRONMENT)
    assert [route.channels for route in policies.routes] == [("oncall", "prometheus"), ("chat",), ("chat",)]
    assert policies.controls[0].action == "throttle"


def test_every_field_of_the_policies_file_is_on_the_pages() -> None:
    for model in (WebhookChannel, AppriseChannel, AlertmanagerChannel, Route, PoliciesFile):
        for name, field in model.model_fields.items():
            shown = field.alias or name
            assert re.search(rf"\b{shown}\b", ONCALL), f"{model.__name__}: {shown}"
    for name in ControlPolicy.model_fields:
        assert re.search(rf"\b{name}\b", CONTROLS + ONCALL), name
    assert f"at least {LEAST_SECRET} characters" in ONCALL


def test_the_receiver_of_the_page_knows_a_genuine_webhook() -> None:
    [script] = blocks(ONCALL, "python")
    names: dict[str, Any] = {}
    exec(script, names)
    secret = "a secret of the operator"
    with Receiver() as receiver:
        settings = ChannelSettings("hook", "webhook", SecretStr(receiver.url), SecretStr(secret), 5.0)
        make_channel(settings).send(one(notice()), BASE_MS)
        [got] = receiver.requests
    assert names["is_genuine"](got.headers, got.body, secret)
    assert not names["is_genuine"](got.headers, got.body + b" ", secret)
    assert not names["is_genuine"](got.headers, got.body, secret + "x")
    other = got.headers | {"webhook-signature": "v1," + base64.b64encode(b"x" * 32).decode()}
    assert not names["is_genuine"](other, got.body, secret)


def test_every_field_that_a_webhook_has_is_on_the_page() -> None:
    for field in one(notice()).payload():
        assert f"`{field}`" in ONCALL, field


def test_the_router_of_the_page_asks_and_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    from streams.controls.client import ControlClient, Verdict

    class Blocking:
        def __init__(self, *_: object, **__: object) -> None:
            pass

        def start(self) -> Blocking:
            return self

        def may_call(self, *, run_id: str, agent_id: str, api_key_id: str) -> Verdict:
            return Verdict(run_id != "run-1", "block", "inc-1")

    assert callable(ControlClient.may_call)
    monkeypatch.setattr("streams.controls.client.ControlClient", Blocking)
    [script] = blocks(CONTROLS, "python")
    names: dict[str, Any] = {}
    exec(script, names)
    names["before_each_call"]("run-2", "bot", "key")
    with pytest.raises(PermissionError, match="block: inc-1"):
        names["before_each_call"]("run-1", "bot", "key")
