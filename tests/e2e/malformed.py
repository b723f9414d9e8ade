"""Lines that are no calls, in as many ways as routers find: each must become exactly one reject, whatever it is."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

Line = Callable[[random.Random, dict[str, Any]], bytes]


def _with(**fields: Any) -> Line:
    return lambda _, call: json.dumps(call | fields).encode()


def _without(name: str) -> Line:
    return lambda _, call: json.dumps({key: value for key, value in call.items() if key != name}).encode()


def _fixed(line: bytes) -> Line:
    return lambda _, __: line


def _cut(random_: random.Random, call: dict[str, Any]) -> bytes:
    text = json.dumps(call).encode()
    return text[: random_.randrange(1, len(text))]


def _noise(random_: random.Random, _: dict[str, Any]) -> bytes:
    return b"\xff" + bytes(byte for byte in random_.randbytes(random_.randrange(1, 400)) if byte not in b"\r\n")


KINDS: tuple[tuple[str, Line], ...] = (
    ("not_json", _cut),
    ("not_json", _fixed(b"hello, world")),
    ("not_json", _fixed(b"<call/>")),
    ("not_json", _fixed(b'{"id": NaN}')),
    ("not_json", _fixed(b"{'id': 'single quotes'}")),
    ("not_utf8", _noise),
    ("not_utf8", lambda _, call: json.dumps(call | {"tool_name": "x"}).encode().replace(b'"x"', b'"\xc3\x28"')),
    ("empty", _fixed(b"   ")),
    ("empty", _fixed(b"[]")),
    ("not_an_object", _fixed(b"42")),
    ("not_an_object", _fixed(b'"a string"')),
    ("not_an_object", _fixed(b"null")),
    ("not_an_object", _fixed(b"[[1, 2]]")),
    ("missing_field", _fixed(b"{}")),
    ("missing_field", _without("id")),
    ("missing_field", _without("agent_id")),
    ("missing_field", _without("input_tokens")),
    ("wrong_type", _with(input_tokens="12")),
    ("wrong_type", _with(input_tokens=12.5)),
    ("wrong_type", _with(output_tokens=True)),
    ("wrong_type", _with(id=7)),
    ("wrong_type", _with(time=1.5e12)),
    ("wrong_type", _with(tags=["a"])),
    ("out_of_range", _with(input_tokens=-1)),
    ("out_of_range", _with(output_tokens=10**15)),
    ("out_of_range", _with(latency_ms=-0.5)),
    ("out_of_range", _with(id="")),
    ("out_of_range", _with(id="x" * 129)),
    ("out_of_range", _with(agent_id="a" * 100_000)),
    ("unknown_value", _with(status="fine")),
    ("unknown_value", _with(tier="platinum")),
    ("bad_decimal", _with(reported_cost="1e-3")),
    ("bad_decimal", _with(reported_cost="-1")),
    ("bad_time", _with(time="yesterday")),
    ("bad_time", _with(time="2025-01-01T00:00:00")),
    ("bad_time", _with(time="2025-02-30T00:00:00Z")),
    ("time_too_old", _with(time=0)),
    ("time_too_old", _with(time="1999-12-31T23:59:59Z")),
    ("time_in_future", _with(time="2098-01-01T00:00:00Z")),
    ("time_in_future", _with(time=1_700_000_000_000_000)),
    ("cache_exceeds_input", _with(input_tokens=5, cache_read_input_tokens=6)),
    ("reasoning_exceeds_output", _with(output_tokens=5, reasoning_output_tokens=6)),
    ("bad_text", _with(agent_id="nul\0")),
    ("bad_text", lambda _, call: json.dumps(call | {"run_id": "half"}).encode().replace(b'"half"', b'"\\ud800"')),
    ("too_deep", _fixed(b"[" * 5000 + b"]" * 5000)),
)
"""(the reason that the meter must give, how to make the line from a good call)."""


def malformed(count: int, calls: list[dict[str, Any]], seed: int) -> list[tuple[str, bytes]]:
    """`count` lines with their reasons, all kinds in turn, each made of some call of `calls`, whose id it may have."""
    random_ = random.Random(seed)
    made = []
    for number in range(count):
        reason, line = KINDS[number % len(KINDS)]
        made.append((reason, line(random_, random_.choice(calls))))
    return made
