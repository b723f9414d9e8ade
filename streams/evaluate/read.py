"""Read recorded calls and labels for the evaluation: JSONL, plain or gzip; only what the detector sees.

Contract: calls come as `SeenCall` with the cost beside them. `time` may be RFC 3339 or epoch milliseconds. Raises
`UsageError` naming file and line where a line cannot be read.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import IO, Any, cast

import msgspec

from streams.errors import UsageError

_PICO = Decimal(10**12)


class SeenCall(msgspec.Struct):
    """A call as the detector sees it; the contract's names, what is not needed is not read."""

    id: str
    time: int
    agent_id: str
    request_model: str
    input_tokens: int
    output_tokens: int
    run_id: str | None = None
    parent_agent_id: str | None = None
    provider_name: str | None = None
    status: str | None = None
    attempt: int | None = None
    retry_of: str | None = None
    request_fingerprint: str | None = None
    cache_read_input_tokens: int | None = None
    cache_write_input_tokens: int | None = None
    reported_cost: str | None = None


Price = Callable[[SeenCall], int | None]
"""Pico-USD of a call, None where its model has no price."""


def reported(call: SeenCall) -> int | None:
    """The default price: what the router reported."""
    return None if call.reported_cost is None else int(Decimal(call.reported_cost) * _PICO)


class _TextTime(SeenCall):
    time: int | str  # type: ignore[assignment]


_decode = msgspec.json.Decoder(_TextTime).decode


def read_calls(path: Path) -> Iterator[SeenCall]:
    """The calls of one file, in file order."""
    with opened(path) as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                call = _decode(line)
                if isinstance(call.time, str):
                    call.time = round(datetime.fromisoformat(call.time).timestamp() * 1000)
            except (msgspec.DecodeError, ValueError) as fault:
                raise UsageError(f"{path}, line {number}: not a call: {fault}") from None
            yield cast(SeenCall, call)


def from_dicts(rows: Iterable[Mapping[str, Any]]) -> Iterator[SeenCall]:
    """Calls of the simulator (dicts with `time` in epoch milliseconds)."""
    for row in rows:
        yield msgspec.convert(row, SeenCall)


def read_labels(path: Path) -> list[dict[str, Any]]:
    """The labels of one file."""
    out: list[dict[str, Any]] = []
    with opened(path) as lines:
        for number, line in enumerate(lines, 1):
            if line.strip():
                try:
                    label = msgspec.json.decode(line)
                except msgspec.DecodeError as fault:
                    raise UsageError(f"{path}, line {number}: not a label: {fault}") from None
                if not isinstance(label, dict) or "label" not in label:
                    raise UsageError(f"{path}, line {number}: a label is an object with the key `label`")
                out.append(label)
    return out


def opened(path: Path) -> IO[bytes]:
    """Open a file for reading bytes; `.gz` is unpacked. Raises `UsageError` where it cannot be opened."""
    try:
        return cast("IO[bytes]", gzip.open(path, "rb")) if path.suffix == ".gz" else path.open("rb")
    except OSError as fault:
        raise UsageError(f"{path} cannot be read: {fault.strerror}") from None
