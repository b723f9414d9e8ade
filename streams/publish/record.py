"""One call as a Kafka record: stamp, key, JSON.

Contract
    - Pure: the clock is an argument; the only thing taken from outside is randomness for an id.
    - Only contract fields are kept, and None means absent. Prompts and answers therefore never leave the router.
    - What is stamped (`id`, `time`, `source`) is stamped here, once; a re-send sends the same bytes under the same key.
    - The checks are the cheap ones without which a record would have no place: the worker validates, and a call that it
      refuses is seen in its ledger. Bad input is a value (`Refusal`), never an exception.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from decimal import Decimal
from typing import Literal, NamedTuple

import msgspec

from streams.publish.fields import CALL_FIELDS

DropReason = Literal[
    "no_agent_id",
    "no_request_model",
    "no_run_id",
    "no_outcome",
    "unencodable",
    "too_large",
    "buffer_full",
    "refused",
    "closed",
    "close_timeout",
    "loop_closed",
]
"""Why a call, or a verdict on a run, was given up. The first seven and `closed` are told by `publish()` returning
False; `refused` (the broker takes everything but this record), `close_timeout` and `loop_closed` can befall what was
buffered.
"""

MAX_VALUE_BYTES = 512 * 1024
"""Half of Kafka's default `max.message.bytes` (1,048,588): a record with its framing fits any default broker."""

_RECORD_OVERHEAD = 96
"""Bytes of a buffered record beside key and value: the tuple, two object headers and the deque's slot."""

_encode = msgspec.json.Encoder().encode
_VARIANT = dict(zip("0123456789abcdef", "89ab" * 4, strict=True))


class Record(NamedTuple):
    """What is sent. `timestamp_ms` is when the call was published (epoch ms), not the call's own time."""

    key: bytes
    value: bytes
    timestamp_ms: int

    @property
    def size(self) -> int:
        """Bytes that the record takes in the buffer, about."""
        return len(self.key) + len(self.value) + _RECORD_OVERHEAD


class Refusal(NamedTuple):
    """A call that cannot be sent: a stable reason, and a hint that names fields or types but holds no content."""

    reason: DropReason
    detail: str


def new_call_id(now_ms: int) -> str:
    """A UUIDv7 as 32 hex digits: unique, and ordered by `now_ms` (epoch ms).

    Randomness comes from the kernel at every call, so forked workers cannot repeat each other's ids.
    """
    noise = os.urandom(10).hex()
    return f"{now_ms & 0xFFFFFFFFFFFF:012x}7{noise[:3]}{_VARIANT[noise[3]]}{noise[4:19]}"


def build(call: Mapping[str, object], *, source: str, now_ms: int) -> tuple[Record | Refusal, int]:
    """The record for `call` (or why there is none), and how many of its keys are not of the contract.

    `call` is read once and not kept: the caller may change it afterwards. A call's own `id`, `time` and `source` win
    over what would be stamped. Values may be whatever JSON has, plus aware `datetime`; `reported_cost` may also be a
    number (USD), sent as the contract's plain decimal string of at most 12 places.
    """
    unknown = 0
    try:
        fields = {name: value for name, value in call.items() if name in CALL_FIELDS and value is not None}
        unknown = sum(name not in CALL_FIELDS for name in call) if len(fields) != len(call) else 0
        agent_id = fields.get("agent_id")
        if not isinstance(agent_id, str) or not agent_id:
            return Refusal("no_agent_id", "agent_id must be a non-empty string"), unknown
        model = fields.get("request_model")
        if not isinstance(model, str) or not model:
            return Refusal("no_request_model", "request_model must be a non-empty string"), unknown
        if "id" not in fields:
            fields["id"] = new_call_id(now_ms)
        if "time" not in fields:
            fields["time"] = now_ms
        if "source" not in fields:
            fields["source"] = source
        cost = fields.get("reported_cost")
        if isinstance(cost, Decimal | float | int) and not isinstance(cost, bool):
            fields["reported_cost"] = _plain(cost)
        run_id = fields.get("run_id")
        key = (run_id if isinstance(run_id, str) and run_id else agent_id).encode()
        value = _encode(fields)
    except Exception as error:  # whatever a router's mapping or values do must not reach the router
        return Refusal("unencodable", type(error).__name__), unknown
    if len(value) + len(key) > MAX_VALUE_BYTES:
        return Refusal("too_large", f"{len(value)} bytes, at most {MAX_VALUE_BYTES}"), unknown
    return Record(key, value, now_ms), unknown


def _plain(usd: Decimal | float) -> str:
    try:
        # Through repr: a float means the shortest decimal that reads back as it (0.1, not 0.1000000000000000055...).
        text = format(round(usd if isinstance(usd, Decimal) else Decimal(repr(usd)), 12), "f")
    except ArithmeticError:
        return str(usd)  # no amount of money: the worker refuses the call where it is seen
    return text.rstrip("0").rstrip(".") if "." in text else text
