"""What is sent: the signature as a receiver checks it, alerts as Alertmanager wants them, no secret in what is said."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from streams.alert.channels.alertmanager import EXPIRE_MS, alerts_of
from streams.alert.channels.apprise import AppriseService, struck
from streams.alert.channels.base import ChannelError
from streams.alert.channels.make import make_channel
from streams.alert.channels.webhook import header_id, key_of, signature
from streams.alert.message import DIGEST_LINES, digest, instant, one
from streams.alert.policies import ChannelSettings
from tests.fakes import BASE_MS
from tests.notices import notice
from tests.standin import Receiver, answer

SECRET = "whsec_" + base64.b64encode(b"twenty-four bytes of key").decode()


def webhook(url: str, secret: str = SECRET) -> Any:
    """A webhook to a URL."""
    return make_channel(ChannelSettings("hook", "webhook", SecretStr(url), SecretStr(secret), 5.0))


@pytest.mark.parametrize(("secret", "key"), [(SECRET, b"twenty-four bytes of key"), ("plain secret", b"plain secret")])
def test_a_receiver_can_check_a_webhook(secret: str, key: bytes) -> None:
    with Receiver() as receiver:
        webhook(receiver.url + "/x", secret).send(one(notice(title="Größe ✓")), BASE_MS)
        [got] = receiver.requests
    signed = f"{got.headers['webhook-id']}.{got.headers['webhook-timestamp']}.".encode() + got.body
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert got.headers["webhook-signature"] == "v1," + expected
    assert got.headers["webhook-timestamp"] == str(BASE_MS // 1000)
    assert got.headers["idempotency-key"] == got.headers["webhook-id"] == "inc-1:1"
    assert got.json["title"] == "Größe ✓"
    assert got.json["at"] == "2026-03-02T00:00:00.000Z"


@pytest.mark.parametrize(("status", "alone"), [(400, True), (422, True), (404, False), (500, False), (429, False)])
def test_what_the_receiver_says_decides_whether_the_channel_rests(status: int, alone: bool) -> None:
    with Receiver() as receiver:
        receiver.next(answer(status, Retry_After="7"))
        with pytest.raises(ChannelError, match=str(status)) as caught:
            webhook(receiver.url).send(one(notice()), BASE_MS)
    assert (caught.value.alone, caught.value.retry_after_s) == (alone, 7.0)


def test_nobody_there() -> None:
    with Receiver() as receiver:
        url = receiver.url
    with pytest.raises(ChannelError, match="cannot connect") as caught:
        webhook(url + "/s3cr3t").send(one(notice()), BASE_MS)
    assert "s3cr3t" not in str(caught.value)


@given(st.text())
def test_an_id_fits_into_a_header(id_: str) -> None:
    made = header_id(id_)
    assert made.isascii()
    assert made.isprintable()
    assert 0 <= len(made) <= 200
    assert " " not in made


def test_a_signature_is_of_all_three_parts() -> None:
    base = signature(b"key", "id", "1", b"body")
    others = {signature(b"kex", "id", "1", b"body"), signature(b"key", "ie", "1", b"body")}
    others |= {signature(b"key", "id", "2", b"body"), signature(b"key", "id", "1", b"bodx")}
    assert len(others | {base}) == 5
    assert key_of("whsec_not base64!") == b"whsec_not base64!"


def test_apprise_sends_and_says_why_not_without_its_url() -> None:
    with Receiver() as receiver:
        at = receiver.url.removeprefix("http://")
        service = AppriseService(ChannelSettings("chat", "apprise", SecretStr(f"json://{at}/s3cr3t-path")))
        service.send(one(notice()), BASE_MS)
        assert receiver.requests[0].json["title"] == notice().title
        receiver.next(answer(403))
        with pytest.raises(ChannelError) as caught:
            service.send(one(notice()), BASE_MS)
        receiver.next(answer(307, Location=receiver.url + "/elsewhere"))
        with pytest.raises(ChannelError):
            service.send(one(notice()), BASE_MS)
        assert len(receiver.requests) == 3
    assert "403" in str(caught.value)
    assert "s3cr3t" not in str(caught.value)


parts = st.text(
    st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="/?&=@:#,%*"), min_size=4, max_size=20
)


@given(parts, parts, parts)
def test_no_part_of_a_url_is_in_what_apprise_said(host: str, token: str, query: str) -> None:
    said = [f"Failed to post to {host}: {token.upper()} is wrong", f"{query}{token}"]
    text = struck(said, f"slack://{host}/{token}?key={query}")
    for part in (host, token, query):
        if part not in {"Failed", "wrong", "post"} and part.lower() not in "failed to post to : is wrong; ":
            assert part.lower() not in text.lower()


def test_alerts_have_an_end_and_the_same_labels_until_something_changes() -> None:
    opened = notice(links={"agent board": "https://g/d/x"})
    worse = notice("inc-1:2", severity="critical", change="escalated")
    over = notice("inc-1:3", severity="critical", change="resolved", resolved=True)
    now = BASE_MS + 60_000
    [first] = alerts_of(opened, (), now)
    assert first["labels"] == {
        "alertname": "SpendstreamLoop", "subject": "inc-1", "severity": "warning", "team": "search",
        "tier": "frontier", "kind": "loop", "agent": "bot", "run": "run-1",
    }  # fmt: skip
    assert first["annotations"]["link_agent_board"] == "https://g/d/x"
    assert (first["startsAt"], first["endsAt"]) == (instant(BASE_MS), instant(now + EXPIRE_MS))
    risen, ended = alerts_of(worse, (opened,), now)
    assert ended["labels"] == first["labels"]
    assert ended["endsAt"] == instant(now)
    assert [alert["endsAt"] for alert in alerts_of(over, (opened, worse), now)] == [instant(now)] * 2
    assert alerts_of(over, (opened, worse), now)[0]["labels"] == risen["labels"]


def test_a_change_in_the_future_does_not_end_before_it_starts() -> None:
    [alert] = alerts_of(notice(at_ms=BASE_MS + 10**9, resolved=True), (), BASE_MS)
    assert alert["startsAt"] <= alert["endsAt"]


def test_a_digest_is_bounded_and_in_order() -> None:
    many = [notice(f"inc-{number}:1", at_ms=BASE_MS - number, severity="ticket") for number in range(DIGEST_LINES + 7)]
    message = digest("d", many)
    assert message.title == f"Spendstream: {DIGEST_LINES + 7} notices, ticket at most"
    assert "and 7 more" in message.text
    assert message.payload()["notices"][0]["id"] == f"inc-{DIGEST_LINES + 6}:1"
    json.dumps(message.payload())
    with pytest.raises(ValueError, match="nothing"):
        digest("d", [])
