"""New inputs from old ones: bytes changed, cut, doubled, joined; words of the target put in; JSON and lines reordered.

Deterministic: the same seed and corpus give the same inputs.
"""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Sequence
from typing import Any

MOST_BYTES = 16_000
"""Inputs stay small, so that a million take minutes; `WORDS` bring what only size or depth does."""

_ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**31, 2**63, -(2**63) - 1, 10**30, 0.1, 1e308, -0.0, "", "x", "\x00", "\ud800",
    "é" * 200, [], {}, [[]], {"": 0}, "2025-12-31T12:00:00Z", "NaN",
)  # fmt: skip


def mutant(rng: random.Random, corpus: Sequence[bytes], words: Sequence[bytes]) -> bytes:
    """One new input."""
    data = rng.choice(corpus)
    for _ in range(1 + rng.randrange(4)):
        data = rng.choice(_WAYS)(rng, data, corpus, words)[:MOST_BYTES]
    return data


def _flip(rng: random.Random, data: bytes, corpus: Sequence[bytes], words: Sequence[bytes]) -> bytes:
    if not data:
        return bytes([rng.randrange(256)])
    at = rng.randrange(len(data))
    return data[:at] + bytes([data[at] ^ (1 << rng.randrange(8))]) + data[at + 1 :]


def _byte(rng: random.Random, data: bytes, corpus: Sequence[bytes], words: Sequence[bytes]) -> bytes:
    at = rng.randrange(len(data) + 1)
    return data[:at] + bytes([rng.randrange(256)]) + data[at + rng.randrange(2) :]


def _cut(rng: random.Random, data: bytes, corpus: Sequence[bytes], words: Sequence[bytes]) -> bytes:
    first, end = sorted(rng.randrange(len(data) + 1) for _ in range(2))
    return data[:first] + data[end:] if rng.random() < 0.7 else data[first:end]


def _double(rng: random.Random, data: bytes, corpus: Sequence[bytes], words: Sequence[bytes]) -> bytes:
    first, end = sorted(rng.randrange(len(data) + 1) for _ in range(2))
    return data[:end] + data[first:end] * rng.choice((1, 1, 2, 20)) + data[end:]


def _splice(rng: random.Random, data: bytes, corpus: Sequence[bytes], words: Sequence[bytes]) -> bytes:
    other = rng.choice(corpus)
    return data[: rng.randrange(len(data) + 1)] + other[rng.randrange(len(other) + 1) :]


def _word(rng: random.Random, data: bytes, corpus: Sequence[bytes], words: Sequence[bytes]) -> bytes:
    if not words:
        return _byte(rng, data, corpus, words)
    at = rng.randrange(len(data) + 1)
    return data[:at] + rng.choice(words) + data[at + rng.choice((0, 0, 1, 8)) :]


def _json(rng: random.Random, data: bytes, corpus: Sequence[bytes], words: Sequence[bytes]) -> bytes:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return _word(rng, data, corpus, words)
    if isinstance(value, list) and value:
        value[rng.randrange(len(value))] = rng.choice(_ODD)
    elif isinstance(value, dict) and value:
        name = rng.choice(list(value))
        way = rng.randrange(4)
        if way == 0:
            del value[name]
        elif way == 1:
            value[name] = {name: value[name]}
        elif way == 2:
            value[name[:-1]] = value.pop(name)
        else:
            value[name] = rng.choice(_ODD)
    return json.dumps(value).encode()


def _lines(rng: random.Random, data: bytes, corpus: Sequence[bytes], words: Sequence[bytes]) -> bytes:
    parts = data.split(b"\n")
    rng.shuffle(parts)
    if rng.random() < 0.5:
        parts.insert(rng.randrange(len(parts) + 1), rng.choice(corpus))
    return rng.choice((b"\n", b"\r\n", b"\n\n")).join(parts)


def _pack(rng: random.Random, data: bytes, corpus: Sequence[bytes], words: Sequence[bytes]) -> bytes:
    return gzip.compress(data, 1, mtime=0) if rng.random() < 0.2 else _flip(rng, data, corpus, words)


_WAYS = (_flip, _byte, _cut, _double, _splice, _word, _word, _json, _json, _lines, _pack)
