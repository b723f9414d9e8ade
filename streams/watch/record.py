"""Records of `spendstream.steps`: what the meter wrote to the ledger, as columns, and how far each partition has come.

One record holds parts; each part is of one partition of `spendstream.calls` (a source) and speaks for the stretch
(`after`, `through`] of it: all new calls of the stretch that belong to this partition of the steps topic are in the
part. A stretch is given by cursors (offset, item): a Kafka record may hold many calls. A part without rows says how far
the source is and whether it stands at the end of its log.

The topic carries news, the ledger is the truth: a reader that misses a stretch reads it there. Names are coded, numbers
are packed: 60 to 120 bytes a call, 2 us of CPU from here to there. The format is between workers of one version: a
record of another one is skipped, and what it said is found in the ledger.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import repeat
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

VERSION = 1
END = 2**32 - 1
"""The item of a cursor behind all calls of its record."""

I64 = npt.NDArray[np.int64]
Cursor = tuple[int, int]


class StepCall(msgspec.Struct, array_like=True, gc=False):
    """What the detector sees of a call (`streams.detect.call.Seen`) and its price: `cost_pico` in pico-USD, None where
    unpriced.
    """

    id: str
    time: int
    agent_id: str
    request_model: str
    input_tokens: int
    output_tokens: int
    run_id: str | None
    parent_agent_id: str | None
    provider_name: str | None
    status: str | None
    attempt: int | None
    retry_of: str | None
    request_fingerprint: str | None
    cost_pico: int | None


class Action(msgspec.Struct, array_like=True, frozen=True):
    """What an operator did to an incident. `at_ms`, `until_ms`: wall time; `id` makes it once."""

    id: str
    incident_id: str
    action: str
    """acknowledge, silence or resolve."""
    by: str
    reason: str
    at_ms: int
    until_ms: int | None = None


class Texts(msgspec.Struct, array_like=True):
    """A column of texts: the distinct ones, and their places in as few bytes as they need (none for one text)."""

    names: list[str | None]
    codes: bytes


class Ints(msgspec.Struct, array_like=True):
    """A column of integers as differences from the least one, `width` bytes each (0: all alike)."""

    least: int
    width: int
    data: bytes


class Rows(msgspec.Struct, array_like=True):
    """Calls of one part, in the order of the log."""

    count: int
    offset: Ints
    item: Ints
    id: list[str]
    time: Ints
    agent_id: Texts
    request_model: Texts
    input_tokens: Ints
    output_tokens: Ints
    run_id: Texts
    parent_agent_id: Texts
    provider_name: Texts
    status: Texts
    attempt: Ints
    """0 where the router did not say."""
    retry_of: Texts
    request_fingerprint: list[str | None] | None
    cost: Ints
    """-1 where unpriced."""

    def calls(self) -> list[StepCall]:
        """The calls as objects."""
        count = self.count
        attempts = unpack(self.attempt, count)
        cost = unpack(self.cost, count)
        return list(
            map(
                StepCall,
                self.id,
                unpack(self.time, count).tolist(),
                _texts(self.agent_id, count),
                _texts(self.request_model, count),
                unpack(self.input_tokens, count).tolist(),
                unpack(self.output_tokens, count).tolist(),
                _texts(self.run_id, count),
                _texts(self.parent_agent_id, count),
                _texts(self.provider_name, count),
                _texts(self.status, count),
                _none_at(attempts, 0),
                _texts(self.retry_of, count),
                repeat(None, count) if self.request_fingerprint is None else self.request_fingerprint,
                _none_at(cost, -1),
            )
        )

    def beyond(self, cursor: Cursor) -> list[bool]:
        """Which calls lie behind a cursor."""
        offset, item = unpack(self.offset, self.count), unpack(self.item, self.count)
        beyond: list[bool] = ((offset > cursor[0]) | ((offset == cursor[0]) & (item > cursor[1]))).tolist()
        return beyond


class Part(msgspec.Struct, array_like=True):
    """One stretch of one source. `watermark_ms`: the newest event time of the source's calls through it; `at_end`: the
    log held nothing behind it at the record's wall time.
    """

    partition: int
    incarnation: int
    epoch: int
    after: Cursor
    through: Cursor
    watermark_ms: int | None
    at_end: bool
    rows: Rows | None = None


class Steps(msgspec.Struct, array_like=True):
    """One record. `wall_ms`: when the worker asked for the ends of the logs, before it wrote these rows."""

    v: int
    worker: str
    wall_ms: int
    parts: list[Part] = []
    actions: list[Action] = []


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Steps)


def encode_part(part: Part) -> msgspec.Raw:
    """A part alone, so that its size is known before it goes into a record."""
    return msgspec.Raw(_encoder.encode(part))


def encode_steps(worker: str, wall_ms: int, parts: Iterable[msgspec.Raw], actions: Sequence[Action] = ()) -> bytes:
    """The record's value."""
    return _encoder.encode((VERSION, worker, wall_ms, list(parts), list(actions)))


def decode_steps(value: bytes | None) -> Steps:
    """A record's value. Raises `ValueError` for what is none of this version."""
    try:
        steps = _decoder.decode(value or b"")
    except msgspec.MsgspecError as error:
        raise ValueError(str(error)) from error
    if steps.v != VERSION:
        raise ValueError(f"steps of version {steps.v}; this is version {VERSION}")
    return steps


def pack(numbers: I64) -> Ints:
    """A column of integers, packed."""
    least = int(numbers.min()) if len(numbers) else 0
    span = int(numbers.max()) - least if len(numbers) else 0
    width = 0 if not span else 1 if span < 2**8 else 2 if span < 2**16 else 4 if span < 2**32 else 8
    data = (numbers - least).astype(_UNSIGNED[width]).tobytes() if width else b""
    return Ints(least, width, data)


def unpack(column: Ints, count: int) -> I64:
    """The integers of a packed column."""
    if not column.width:
        return np.full(count, column.least, dtype=np.int64)
    return np.frombuffer(column.data, dtype=_UNSIGNED[column.width]).astype(np.int64) + column.least


def code(column: Sequence[str | None]) -> Texts:
    """A column of texts, coded."""
    index: dict[str | None, int] = {name: at for at, name in enumerate(dict.fromkeys(column))}
    names = list(index)
    if len(names) <= 1:
        return Texts(names, b"")
    codes = np.fromiter(map(index.__getitem__, column), dtype=_code_type(len(names)), count=len(column))
    return Texts(names, codes.tobytes())


_UNSIGNED: dict[int, np.dtype[Any]] = {1: np.dtype("<u1"), 2: np.dtype("<u2"), 4: np.dtype("<u4"), 8: np.dtype("<u8")}


def _code_type(names: int) -> np.dtype[Any]:
    return _UNSIGNED[1 if names <= 2**8 else 2 if names <= 2**16 else 4]


def _texts(column: Texts, count: int) -> Iterable[str | None]:
    names = column.names
    if not column.codes:
        return repeat(names[0] if names else None, count)
    return map(names.__getitem__, np.frombuffer(column.codes, dtype=_code_type(len(names))).tolist())


def _none_at(numbers: I64, absent: int) -> Iterable[int | None]:
    values: list[int | None] = numbers.tolist()
    if not (numbers == absent).any():
        return values
    return [None if number == absent else number for number in values]
