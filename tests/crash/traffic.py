"""Seeded traffic for the crash tests, and what must come of it, computed here and not by the code under test.

Calls of many agents, runs, sources and models (one without a price), event times out of order, copies next to their
original and far from it, records that hold several calls (JSON arrays and NDJSON, of one run or of several), records
under a wrong key or none, and every common kind of bad input, alone and among good calls.

What a record holds is known to `Traffic.parts_of` from its bytes alone, so that whoever reads the topic afterwards can
say what each record must have become.
"""

from __future__ import annotations

import json
import random
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

BASE_MS: Final = 1_772_409_600_000  # 2026-03-02T00:00:00Z
STEP_MS: Final = 20  # fifty calls a second of event time: a cell holds one call or a few

MODELS: Final = (
    ("openai", "gpt-4o"),
    ("openai", "gpt-4o-mini"),
    ("anthropic", "claude-sonnet-4-5"),
    ("google", "gemini-2.5-pro"),
    ("other", "google/gemini-3-pro-preview"),
    ("acme", "acme-house-model"),  # in no price book
)
SOURCES: Final = (None, "gateway-1", "gateway-2")


@dataclass(frozen=True, slots=True)
class Mix:
    """Shares of records (of calls: copies and late ones)."""

    multiple: float = 0.03
    bad: float = 0.012
    wrong_key: float = 0.015
    copy_near: float = 0.02
    copy_far: float = 0.02
    same_id_other_source: float = 0.005
    hour_late: float = 0.0
    """Calls whose time lies an hour behind the others'."""
    day_ahead: float = 0.0
    """Calls whose time lies a day ahead of the others'."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A record to publish; `key` None leaves the partition to `partition`."""

    key: bytes | None
    value: bytes | None
    partition: int | None
    parts: int


Part = int | str
"""Of a record: the number of a call in `Traffic.calls`, or the reason code of a reject."""


class Traffic:
    """An endless seeded stream of records. The same seed gives the same records."""

    def __init__(self, seed: int, partitions: int, mix: Mix | None = None) -> None:
        self._random = random.Random(seed)
        self._mix = mix or Mix()
        self._partitions = partitions
        self.calls: list[dict[str, Any]] = []
        """Distinct calls in the order of their first publication, as sent; `time_ms` is `time` in epoch ms."""
        self._values: list[bytes] = []
        self._number: dict[tuple[str, str], int] = {}
        self._odd: dict[bytes | None, tuple[Part, ...]] = {}
        self._runs: dict[int, deque[str]] = {}
        self.records = 0
        """Records handed out."""
        self.parts = 0
        """Calls and rejects in them, copies included."""

    def key(self, number: int) -> bytes:
        """The right key of a call."""
        call = self.calls[number]
        return str(call.get("run_id") or call["agent_id"]).encode()

    def parts_of(self, value: bytes | None) -> tuple[Part, ...]:
        """What a record holds. Raises KeyError for a record that was never published."""
        odd = self._odd.get(value)
        if odd is not None:
            return odd
        assert value is not None
        call = json.loads(value)
        return (self._number[call.get("source") or "", call["id"]],)

    def __iter__(self) -> Iterator[Sent]:
        while True:
            sent = self._record()
            self.records += 1
            self.parts += sent.parts
            yield sent

    def _record(self) -> Sent:
        rng, mix = self._random, self._mix
        draw = rng.random()
        if draw < mix.bad:
            return self._bad()
        if draw < mix.bad + mix.multiple:
            return self._several()
        number = self._next()
        key = self.key(number)
        value = self._values[number]
        if rng.random() >= mix.wrong_key:
            return Sent(key, value, None, 1)
        if rng.random() < 0.5:
            return Sent(f"wrong-{rng.randrange(64)}".encode(), value, None, 1)
        return Sent(None, value, rng.randrange(self._partitions), 1)

    def _next(self) -> int:
        """A new call, or one that was sent before."""
        rng = self._random
        draw = rng.random()
        near, far = self._mix.copy_near, self._mix.copy_far
        if self.calls and draw < near:
            return rng.randrange(max(0, len(self.calls) - 50), len(self.calls))
        if self.calls and draw < near + far:
            return rng.randrange(len(self.calls))
        return self._new()

    def _new(self) -> int:
        rng = self._random
        number = len(self.calls)
        agent = rng.randrange(40)
        time_ms = BASE_MS + number * STEP_MS + self._disorder()
        provider, model = rng.choice(MODELS)
        source = rng.choice(SOURCES)
        tokens = int(rng.paretovariate(1.2) * 300) % 400_000
        output = rng.randrange(0, 4000)
        call: dict[str, Any] = {
            "id": f"c-{number:07d}",
            "time": time_ms if rng.random() < 0.5 else _rfc3339(time_ms),
            "agent_id": f"agent-{agent:02d}",
            "provider_name": provider,
            "request_model": model,
            "input_tokens": tokens,
            "output_tokens": output,
        }
        if source is not None:
            call["source"] = source
        if rng.random() < 0.9:
            call["run_id"] = self._run(agent)
        if rng.random() < 0.3:
            call["cache_read_input_tokens"] = rng.randrange(tokens + 1)
        if rng.random() < 0.2:
            call["reasoning_output_tokens"] = rng.randrange(output + 1)
        if rng.random() < 0.1:
            call["tier"] = rng.choice(("oss", "mid", "frontier"))
        if rng.random() < 0.05:
            call["status"] = rng.choice(("error", "timeout", "rate_limited"))
        if self.calls and rng.random() < self._mix.same_id_other_source:
            earlier = self.calls[rng.randrange(max(0, number - 1000), number)]
            other = next(s for s in SOURCES if s is not None and s != earlier.get("source"))
            if (other, earlier["id"]) not in self._number:
                call["id"], call["source"] = earlier["id"], other
        self._number[call.get("source") or "", call["id"]] = number
        self._values.append(json.dumps(call).encode())
        self.calls.append(call | {"time_ms": time_ms})
        return number

    def _disorder(self) -> int:
        rng = self._random
        if self._mix.hour_late and rng.random() < self._mix.hour_late:
            return -3_600_000 - rng.randrange(60_000)
        if self._mix.day_ahead and rng.random() < self._mix.day_ahead:
            return 86_400_000
        draw = rng.random()
        if draw < 0.005:
            return -rng.randrange(7_200_000)
        if draw < 0.05:
            return -rng.randrange(600_000)
        return rng.randrange(-2000, 2000)

    def _run(self, agent: int) -> str:
        """One of the agent's three running runs; now and then one ends and another begins."""
        rng = self._random
        runs = self._runs.setdefault(agent, deque(maxlen=3))
        if len(runs) < 3 or rng.random() < 0.02:
            runs.append(f"run-{rng.getrandbits(48):012x}")
        return rng.choice(runs)

    def _several(self) -> Sent:
        """Several calls in one record, under the first one's key; some are of other runs, some are bad."""
        rng = self._random
        parts: list[Part] = []
        texts: list[bytes] = []
        for _ in range(rng.randrange(2, 8)):
            if rng.random() < 0.05:
                reason, text = self._bad_call()
                parts.append(reason)
                texts.append(text)
            else:
                number = self._next()
                parts.append(number)
                texts.append(self._values[number])
        value = b"[" + b", ".join(texts) + b"]" if rng.random() < 0.5 else b"\n".join(texts) + b"\n"
        self._odd[value] = tuple(parts)
        first = next((part for part in parts if isinstance(part, int)), None)
        return Sent(self.key(first) if first is not None else b"nothing-good", value, None, len(parts))

    def _bad(self) -> Sent:
        reason, value = self._random.choice((self._bad_call, self._bad_bytes))()
        self._odd[value] = (reason,)
        return Sent(self._random.choice((b"some-key", b"another-key", b"a-third")), value, None, 1)

    def _bad_call(self) -> tuple[str, bytes]:
        """A JSON object that is no call. The number makes each one another."""
        rng = self._random
        good: dict[str, Any] = {
            "id": f"bad-{rng.getrandbits(48):012x}", "time": BASE_MS, "agent_id": "agent-00", "request_model": "gpt-4o",
            "input_tokens": 10, "output_tokens": 5,
        }  # fmt: skip
        spoil: tuple[tuple[str, Callable[[dict[str, Any]], Any]], ...] = (
            ("missing_field", lambda call: call.pop("agent_id")),
            ("wrong_type", lambda call: call.update(input_tokens="10")),
            ("out_of_range", lambda call: call.update(output_tokens=-5)),
            ("bad_time", lambda call: call.update(time="2026-03-02 00:00:00")),
            ("time_too_old", lambda call: call.update(time=1_772_409_600)),
            ("unknown_value", lambda call: call.update(status="fine")),
            ("cache_exceeds_input", lambda call: call.update(cache_read_input_tokens=11)),
        )
        reason, change = rng.choice(spoil)
        change(good)
        return reason, json.dumps(good).encode()

    def _bad_bytes(self) -> tuple[str, bytes | None]:
        rng = self._random
        mark = f"{rng.getrandbits(48):012x}".encode()
        kinds: tuple[tuple[str, bytes | None], ...] = (
            ("not_json", b'{"id": "' + mark),
            ("not_utf8", b'{"id": "\xff' + mark + b'"}'),
            ("not_an_object", b'"' + mark + b'"'),
            ("empty", b""),
            ("empty", None),
            ("empty", b"[]"),
        )
        return rng.choice(kinds)


def _rfc3339(time_ms: int) -> str:
    instant = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=time_ms)
    return instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")
