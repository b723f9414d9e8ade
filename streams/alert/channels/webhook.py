"""A signed webhook, as Standard Webhooks has it, so that receivers find a library for it.

    webhook-id          the message's id, the same in every try: whoever has seen it takes it as done
    webhook-timestamp   seconds since 1970, of this try
    webhook-signature   "v1," + base64(HMAC-SHA256(key, id + "." + timestamp + "." + body))
    idempotency-key     the id again, for gateways that know this name

The key is the secret's bytes; of a secret `whsec_...` what is behind it, from base64.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Sequence
from typing import Final

from streams.alert.channels.base import ChannelError
from streams.alert.channels.post import post
from streams.alert.message import Message
from streams.alert.notice import Notice
from streams.alert.policies import ChannelSettings

AGENT: Final = "spendstream-webhook/1"


class Webhook:
    """See the module."""

    remind_ms = 0

    def __init__(self, settings: ChannelSettings) -> None:
        assert settings.secret is not None
        self.name = settings.name
        self._url = settings.url
        self._key = key_of(settings.secret.get_secret_value())
        self._timeout_s = settings.timeout_s

    def send(self, message: Message, now_ms: int) -> None:
        """See `Channel.send`."""
        body = json.dumps(message.payload(), ensure_ascii=False, separators=(",", ":")).encode()
        timestamp = str(now_ms // 1000)
        id_ = header_id(message.id)
        headers = {
            "content-type": "application/json; charset=utf-8",
            "user-agent": AGENT,
            "webhook-id": id_,
            "webhook-timestamp": timestamp,
            "webhook-signature": signature(self._key, id_, timestamp, body),
            "idempotency-key": id_,
        }
        post(self._url.get_secret_value(), body, headers, self._timeout_s, now_ms)

    def remind(self, notices: Sequence[Notice], now_ms: int) -> None:
        """A webhook is told once."""
        raise ChannelError("a webhook is not reminded")


def header_id(id_: str) -> str:
    """An id as a header can carry it: as it is where it is plain ASCII, else a hash of it."""
    if id_.isascii() and id_.isprintable() and " " not in id_ and len(id_) <= 200:
        return id_
    return "h-" + hashlib.blake2b(id_.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def key_of(secret: str) -> bytes:
    """The bytes that sign."""
    if secret.startswith("whsec_"):
        try:
            return base64.b64decode(secret.removeprefix("whsec_"), validate=True)
        except binascii.Error:
            pass
    return secret.encode()


def signature(key: bytes, id_: str, timestamp: str, body: bytes) -> str:
    """The value of `webhook-signature`."""
    mac = hmac.new(key, f"{id_}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    return "v1," + base64.b64encode(mac).decode()
