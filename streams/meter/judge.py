"""The careful half of decoding: strict JSON, then the contract's model; whatever it says about a call is final.

Contract: pure and total. `split` turns a record's value into its parts (one for an object, one per element of an array
or line of NDJSON) or one `Fault` for the whole record; `judge` turns a part into a model or a `Fault`.

A value is taken as NDJSON when it is not JSON as a whole and one of its lines starts with `{` and ends with `}`: a
broken object that is printed over many lines then stays one reject. An array that is not JSON as a whole is one reject,
since nobody can say where its calls begin. A byte order mark at the start is skipped.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import msgspec
from pydantic import ValidationError

from schemas.base import Contract
from schemas.call import Call
from schemas.outcome import Outcome
from schemas.reasons import reason_of
from streams.meter.sketch import sketch

DEPTH_MAX: Final = 200
"""Levels of objects and arrays. A call needs two; a fixed number, so that the verdict does not depend on the stack, and
a fifth of Python's recursion limit, so that parsers which count against it get by."""

CALLS_MAX: Final = 50_000
"""A call needs 90 bytes at least, so 4 MiB hold 46,000: more parts than this are not calls, and each costs a row."""

RAW_MAX_BYTES: Final = 2048
"""Bytes that do not parse are looked at so far for what may be kept of them (`streams.meter.sketch`): enough to
recognise the sender and the fault."""

TEXT_MAX: Final = 256
"""Characters kept of each field of a refused call: the longest name of the contract."""

VALUE_MAX: Final = 40
"""Characters kept of a text that cannot be what its field is for: longer than any name, or no number, time or word of
a fixed list. Only when it has no more than one blank: then it is a misspelt word or time, and no prompt."""

CUT: Final = "…"
"""Ends a text that was cut, so that nobody takes it for the whole."""

TAGS_MAX: Final = 16
"""Tags kept of a refused call: enough to find its owner."""

DETAIL_MAX: Final = 500
"""Characters of a detail: five errors, each with its field."""

_BOM: Final = b"\xef\xbb\xbf"
_BLANK: Final = b" \t\r\n"
_TOKENS: Final = re.compile(rb'"(?:[^"\\]|\\.)*"?|[\[{]|[\]}]|,', re.DOTALL)
_INT_DIGITS: Final = 40
"""Digits of an integer that is read exactly; longer ones are out of every range, and slow to convert."""
_HUGE: Final[int] = 10**_INT_DIGITS

_FIELDS: Final = frozenset(Call.model_fields) | frozenset(Outcome.model_fields)
_NAMES: Final = {dict: "object", list: "array", str: "string", bool: "boolean", type(None): "null"}


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a call or a whole record is refused: a code of `schemas.reasons`, a text, and what may be kept of it."""

    reason: str
    detail: str
    payload: str


@dataclass(frozen=True, slots=True)
class Parsed:
    """A part that is parsed already."""

    value: Any


Part = bytes | Parsed
Model = TypeVar("Model", bound=Contract)


def fault(reason: str, detail: str, raw: bytes) -> Fault:
    """A fault of bytes that are not parsed; keeps the shape of the first 2 KiB, and no running text of them."""
    return Fault(reason, detail, _sketch(raw[:RAW_MAX_BYTES].decode("utf-8", "backslashreplace")))


def is_deep(raw: bytes) -> bool:
    """Whether JSON text is nested beyond `DEPTH_MAX`, found without recursion; brackets in strings do not count."""
    if raw.count(b"{") + raw.count(b"[") <= DEPTH_MAX:
        return False
    level = 0
    for match in _TOKENS.finditer(raw):
        first = raw[match.start()]
        if first in b"[{":
            level += 1
            if level > DEPTH_MAX:
                return True
        elif first in b"]}":
            level -= 1
    return False


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _parse_int(digits: str) -> int:
    if len(digits) <= _INT_DIGITS:
        return int(digits)
    return -_HUGE if digits[0] == "-" else _HUGE


def parse(raw: bytes) -> Parsed | Fault:
    """One JSON value of at most `DEPTH_MAX` levels."""
    if is_deep(raw):
        return fault("too_deep", f"more than {DEPTH_MAX} levels of nesting", raw)
    try:
        return Parsed(json.loads(raw.decode(), parse_constant=_refuse_constant, parse_int=_parse_int))
    except UnicodeDecodeError as error:
        return fault("not_utf8", f"byte {error.start} is not UTF-8", raw)
    except json.JSONDecodeError as error:
        return fault("not_json", f"{error.msg} at character {error.pos}", raw)
    except ValueError as error:
        return fault("not_json", str(error), raw)
    except RecursionError:  # a caller's stack near its limit
        return fault("too_deep", "nested deeper than the stack allows", raw)


def split(raw: bytes, split_array: Callable[[bytes], Sequence[msgspec.Raw]]) -> list[Part] | Fault:
    """The parts of a record's value (at least one), or the fault of the whole."""
    body = raw.removeprefix(_BOM).strip(_BLANK)
    if not body:
        return fault("empty", "the record has no value", raw)
    parts: list[Part] | Fault
    if body.startswith(b"["):
        parts = _split_array(body, split_array)
    elif b"\n" in body:
        parts = _split_lines(body)
    else:
        parts = [body]
    if not isinstance(parts, Fault) and len(parts) > CALLS_MAX:
        return fault("too_many_calls", f"{len(parts)} parts, more than {CALLS_MAX}", raw)
    return parts


def _split_lines(body: bytes) -> list[Part] | Fault:
    lines = [line for line in (line.strip(_BLANK) for line in body.split(b"\n")) if line]
    # A first line that is JSON by itself settles it without reading the rest twice.
    if isinstance(parse(lines[0]), Fault):
        whole = parse(body)
        if isinstance(whole, Parsed):
            return [whole]
        if not any(line[:1] == b"{" and line[-1:] == b"}" for line in lines):
            return whole
    return list(lines)


def _split_array(body: bytes, split_array: Callable[[bytes], Sequence[msgspec.Raw]]) -> list[Part] | Fault:
    try:
        elements = [bytes(element) for element in split_array(body)]
    except (msgspec.MsgspecError, RecursionError):
        # Not JSON; or half a surrogate pair in a field that may not matter; or deeper than msgspec can go, which
        # depends on the stack, so that its verdict on depth must not count.
        if is_deep(body):
            scanned = _scan_array(body)
            if scanned is None:
                return fault("too_deep", f"more than {DEPTH_MAX} levels of nesting, in an array that is not JSON", body)
            elements = scanned
        elif isinstance(whole := parse(body), Fault):
            return whole
        else:
            return [Parsed(element) for element in whole.value]
    return list(elements) if elements else fault("empty", "an empty array", body)


def _scan_array(body: bytes) -> list[bytes] | None:
    """The texts between the commas of an array, found without recursion; None when it does not end with the text."""
    elements, level, begin = [], 0, 1
    for match in _TOKENS.finditer(body):
        first = body[match.start()]
        if first in b"[{":
            level += 1
        elif first in b"]}":
            level -= 1
        if (level == 1 and first in b",") or level == 0:
            elements.append(body[begin : match.start()].strip(_BLANK))
            begin = match.end()
        if level == 0:
            return elements if match.end() == len(body) and first in b"]" else None
    return None


def judge(part: Part, model: type[Model], latest_ms: int) -> Model | Fault:
    """The final verdict on one part; `latest_ms` (inclusive) is the latest `time` that its record allows."""
    parsed = parse(part) if isinstance(part, bytes) else part
    if isinstance(parsed, Fault):
        return parsed
    value = parsed.value
    if not isinstance(value, dict):
        shown = _sketch(json.dumps(value)[:RAW_MAX_BYTES])
        return Fault("not_an_object", f"an object is expected, not {_kind(value)}", shown)
    try:
        verdict = model.model_validate(value)
    except ValidationError as error:
        errors = error.errors(include_url=False, include_input=False, include_context=False)
        first = errors[0]
        field = str(first["loc"][0]) if first["loc"] else ""
        detail = "; ".join(_say(item["loc"], item["msg"]) for item in errors[:5])
        # Of an optional field null was dropped before: what is null here is a required one, and as good as absent.
        is_null = len(first["loc"]) == 1 and value.get(field, "") is None
        reason = "missing_field" if is_null else reason_of(first["type"], field)
        return Fault(reason, detail[:DETAIL_MAX], _keep(value, model))
    if (getattr(verdict, "time", None) or 0) > latest_ms:
        detail = "time: More than 24 hours after the record's Kafka timestamp"
        return Fault("time_in_future", detail, _keep(value, model))
    return verdict


def _say(location: tuple[int | str, ...], message: str) -> str:
    # The key of a tag is the sender's text: only the field is named.
    return f"{location[0]}: {message}" if location else message


def _kind(value: object) -> str:
    return _NAMES.get(type(value), "number")


def _sketch(text: str) -> str:
    return sketch(text, _FIELDS)


def _short(value: object, most: int = TEXT_MAX) -> object:
    """A scalar as it is, or cut when it is a text of more than `most`; of a container only its kind."""
    if isinstance(value, str):
        if len(value) <= most and (most == TEXT_MAX or value.count(" ") <= 1):
            return value
        return (value[:VALUE_MAX] if len(value[:VALUE_MAX].split()) <= 1 else "") + CUT
    if isinstance(value, (dict, list)):
        return f"<{_kind(value)}>"
    return value


def _keep(value: dict[str, Any], model: type[Contract]) -> str:
    """The contract's own fields of a refused object as JSON text; everything else (prompts) is dropped."""
    kept: dict[str, object] = {
        name: _short(value[name], TEXT_MAX if name in model.names else VALUE_MAX)
        for name in model.model_fields
        if name in value
    }
    tags = value.get("tags")
    if isinstance(tags, dict):
        kept["tags"] = {str(_short(key)): _short(tags[key]) for key in list(tags)[:TAGS_MAX]}
    # Half a surrogate pair cannot be encoded: written as its JSON escape.
    return json.dumps(kept, ensure_ascii=False).encode("utf-8", "backslashreplace").decode()
