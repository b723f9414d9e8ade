"""Step 1 of the meter: the values of Kafka records to validated calls, and rejects with a reason.

Contract: pure, and total: no input raises. Every record yields at least one call or reject; every call in it yields
exactly one. The verdict on a call depends on its bytes and its record's timestamp only.

Two ways lead to the same verdict. The fast one is a msgspec struct derived from `schemas.Call`; whatever it does not
accept goes the careful way (`streams.meter.judge`): strict JSON, then pydantic, whose verdict is final. The fast way
never rejects. It checks on the raw bytes what msgspec does not: UTF-8 (skipped in unknown fields), NUL, and nesting
(msgspec's own limit depends on the depth of Python's stack).

Known limits: of duplicate keys the last one counts, as in every common parser.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec

from schemas.base import NO_NUL
from schemas.call import Call
from schemas.derive import derive_struct
from schemas.times import EARLIEST_MS, LATEST_MS, parse_rfc3339
from streams.meter import judge

if TYPE_CHECKING:
    CallStruct = Call
else:
    CallStruct = derive_struct(Call, "CallStruct", guarded=(NO_NUL,))

VALUE_MAX_BYTES: Final = 4 * 1024 * 1024
"""Four times Kafka's default `max.message.bytes`: a batch of 8,000 full calls; beyond that it is not metering data."""

FUTURE_MAX_MS: Final = 86_400_000
"""A clock or zone may be wrong by hours; a day ahead is a wrong unit or date, and would hold every watermark up."""

PLAIN_MAX_BYTES: Final = 5 * judge.DEPTH_MAX
"""A level of objects takes 5 bytes (`{"":` and `}`): up to here only arrays can be nested too deep."""

SECONDS_CACHED: Final = 100_000
"""A day of distinct seconds (86,400) fits; about 16 MB. Cleared when full."""


@dataclass(frozen=True, slots=True)
class Reject:
    """One call (or a whole record) that was refused.

    `record` is the record's position in the batch, `index` the call's position in the record, `reason` a code of
    `schemas.reasons`, `detail` says where and why without quoting values, `payload` is what may be kept of the input:
    for objects the contract's own fields, shortened; for what does not parse its shape without running text.
    """

    record: int
    index: int
    reason: str
    detail: str
    payload: str


@dataclass(slots=True)
class Decoded:
    """Calls in order of arrival with their positions (three lists of one length), and the rejects."""

    calls: list[CallStruct] = field(default_factory=list)
    record: list[int] = field(default_factory=list)
    index: list[int] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)


_decode_call: Callable[[bytes], CallStruct] = msgspec.json.Decoder(CallStruct).decode
_decode_loose = msgspec.json.Decoder(derive_struct(Call, "LooseCall", guarded=(NO_NUL,), blank=True)).decode
_BLANKS: Final = tuple((name, Call.model_fields[name].default) for name in sorted(Call.optional_text))
_split_array = msgspec.json.Decoder(list[msgspec.Raw]).decode

_SUFFIX_MS: Final[dict[str, int]] = {f".{ms:03d}{zone}": ms for ms in range(1000) for zone in ("Z", "+00:00")} | {
    "Z": 0,
    "+00:00": 0,
}
_second_ms: dict[str, int] = {}


def _time_ms(text: str) -> int | None:
    """RFC 3339 to epoch milliseconds like `parse_rfc3339`, remembering seconds; None when it is not one."""
    head, tail = text[:19], text[19:]
    millis = _SUFFIX_MS.get(tail)
    if millis is None:
        # Microseconds, as Python's isoformat() writes them: the first three digits count, if the others are digits.
        more = tail[4:7]
        if not (len(more) == 3 and more.isdecimal() and more.isascii()):
            return parse_rfc3339(text)
        millis = _SUFFIX_MS.get(tail[:4] + tail[7:])
        if millis is None:
            return parse_rfc3339(text)
    base = _second_ms.get(head)
    if base is None:
        base = parse_rfc3339(head + "Z")
        if base is None:
            return None
        if len(_second_ms) >= SECONDS_CACHED:
            _second_ms.clear()
        _second_ms[head] = base
    return base + millis


def _is_plain(value: bytes) -> bool:
    """Whether msgspec's verdict on these bytes can be trusted: UTF-8, no NUL, not nested too deep."""
    if not value.isascii():
        try:
            value.decode()
        except UnicodeDecodeError:
            return False
    if 92 in value and b"u0000" in value:
        return False
    brackets = value.count(b"[") if 91 in value else 0
    return (brackets == 0 and len(value) <= PLAIN_MAX_BYTES) or brackets + value.count(b"{") <= judge.DEPTH_MAX


def _fill_blanks(value: bytes) -> CallStruct | None:
    """The call in an object whose optional text fields hold `""`, or None; for encoders that cannot omit a field."""
    try:
        loose = _decode_loose(value)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    fields = {name: getattr(loose, name) for name in Call.model_fields}
    for name, default in _BLANKS:
        if not fields[name]:
            fields[name] = default
    return CallStruct(**fields)


def _fast(values: Sequence[bytes | None], timestamps_ms: Sequence[int]) -> tuple[list[CallStruct | None], bool]:
    """Per value the call in its one JSON object, or None where the careful way has to judge; and whether all are calls.

    One loop that calls no Python function for the usual record and asks the cheapest of equal questions (`92 in value`
    is a backslash, `91` a bracket): 20 ns are 1 % of a decode.
    """
    out: list[CallStruct | None] = []
    add, load, second_ms, suffix_ms = out.append, _decode_call, _second_ms.get, _SUFFIX_MS.get
    earliest, end, future = EARLIEST_MS, LATEST_MS, FUTURE_MAX_MS
    complete = True
    for value, timestamp in zip(values, timestamps_ms, strict=True):
        call: CallStruct | None = None
        if value and (
            (value.isascii() and 92 not in value and 91 not in value and len(value) <= PLAIN_MAX_BYTES)
            or (len(value) <= VALUE_MAX_BYTES and _is_plain(value))
        ):
            try:
                call = load(value)
            except msgspec.ValidationError:
                call = _fill_blanks(value)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                pass
        if call is not None:
            time: Any = call.time  # as on the wire
            if time.__class__ is str:
                base, millis = second_ms(time[:19]), suffix_ms(time[19:])
                time = _time_ms(time) if base is None or millis is None else base + millis
                call.time = time
            read, write = call.cache_read_input_tokens, call.cache_write_input_tokens
            reasoning = call.reasoning_output_tokens
            if (
                time is None
                or not earliest <= time < end
                or (time - timestamp > future and timestamp >= 0)
                or ((read or write) and (read or 0) + (write or 0) > call.input_tokens)
                or (reasoning and reasoning > call.output_tokens)
            ):
                call = None
        if call is None:
            complete = False
        add(call)
    return out, complete


def decode(values: Sequence[bytes | None], timestamps_ms: Sequence[int]) -> Decoded:
    """Decode a batch of record values; `timestamps_ms` are the records' Kafka timestamps (epoch ms, -1 for none).

    A call may be at most 24 hours later than its record's timestamp; a record without one (-1) has no such limit.
    Never raises for what is in the values. The sequences must be of one length (ValueError).
    """
    calls, complete = _fast(values, timestamps_ms)
    if complete:
        return Decoded(cast("list[CallStruct]", calls), list(range(len(calls))), [0] * len(calls))
    out = Decoded()
    add_call, add_record, add_index = out.calls.append, out.record.append, out.index.append
    for record, call in enumerate(calls):
        if call is None:
            _careful(values[record], record, timestamps_ms[record], out)
        else:
            add_call(call)
            add_record(record)
            add_index(0)
    return out


def _careful(value: bytes | None, record: int, timestamp_ms: int, out: Decoded) -> None:
    """Split what may be an array or NDJSON, and judge each part; adds at least one call or reject to `out`."""
    if value is not None and len(value) > VALUE_MAX_BYTES:
        parts: list[judge.Part] | judge.Fault = judge.fault("too_large", f"{len(value)} bytes", value)
    else:
        parts = judge.split(value or b"", _split_array)
    if isinstance(parts, judge.Fault):
        out.rejects.append(Reject(record, 0, parts.reason, parts.detail, parts.payload))
        return
    raw = [part if isinstance(part, bytes) else None for part in parts]
    calls, _ = _fast(raw, [timestamp_ms] * len(raw))
    latest = timestamp_ms + FUTURE_MAX_MS if timestamp_ms >= 0 else LATEST_MS
    for index, (part, call) in enumerate(zip(parts, calls, strict=True)):
        if call is None:
            verdict = judge.judge(part, Call, latest)
            if isinstance(verdict, judge.Fault):
                out.rejects.append(Reject(record, index, verdict.reason, verdict.detail, verdict.payload))
                continue
            call = CallStruct(**verdict.__dict__)
        out.calls.append(call)
        out.record.append(record)
        out.index.append(index)
