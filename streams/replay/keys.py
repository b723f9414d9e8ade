"""What a replay must know of a line: the key that its router would have given it, and, for `--speed`, its time.

Nothing is judged here: a line that says neither gets no key, and the meter says what is wrong with it.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from schemas.times import parse_rfc3339


class _Named(msgspec.Struct):
    run_id: str | None = None
    agent_id: str | None = None


class _Timed(msgspec.Struct):
    time: str | int | None = None


_FIRST_BYTES_OF_ARRAY = (b"[", b" ", b"\t", b"\r", b"\n")
_named: Callable[[bytes], _Named] = msgspec.json.Decoder(_Named).decode
_named_array = msgspec.json.Decoder(list[_Named]).decode
_timed: Callable[[bytes], _Timed] = msgspec.json.Decoder(_Timed).decode


def key_of_line(line: bytes) -> bytes | None:
    """`run_id`, else `agent_id`; of an array the first call's. None when the line names neither, or is no JSON."""
    try:
        named = _named(line)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        if not line.startswith(_FIRST_BYTES_OF_ARRAY):
            return None
        try:
            calls = _named_array(line)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return None
        if not calls:
            return None
        named = calls[0]
    key = named.run_id or named.agent_id
    try:
        return key.encode() if key else None
    except UnicodeEncodeError:  # half a surrogate pair
        return None


def time_of_line(line: bytes) -> int | None:
    """The call's own time in epoch milliseconds; None when the line does not tell one."""
    try:
        time = _timed(line).time
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    return parse_rfc3339(time) if isinstance(time, str) else time
