"""Recorded calls as raw lines: plain or gzip by the first bytes (not the name), `-` for standard input, many files.

Contract
    - A line is handed on as it is, without its line end; nothing is decoded. Empty lines (also a lone CR) are skipped;
      a line of blanks is not empty, it is published and rejected like any other bad record.
    - The last line needs no line end. Several gzip members in one file are one text.
    - Blocking; memory is bounded by one block and one line. A line above `LINE_MAX` bytes, and a gzip stream that is
      cut off or damaged, is a `SpendstreamError` that says where; the lines before it were handed on.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from streams.errors import SpendstreamError, UsageError

BLOCK_BYTES = 256 * 1024
"""Read at once: some thousand lines when they were compressed ten to one, so that a hand-over is rare."""

INFLATE_BYTES = 2 * 1024 * 1024
"""Most bytes that one step of gzip makes, whatever the file claims."""

LINE_MAX = 64 * 1024 * 1024
"""No broker takes a record of 64 MiB; what is longer is not JSONL."""

_GZIP = b"\x1f\x8b"
_WBITS_GZIP = 31  # zlib's code for "gzip header and trailer"


class _Readable(Protocol):
    def __call__(self, size: int, /) -> bytes | None: ...


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some lines of one file, in order."""

    source: str
    first_line: int
    """Number of the first of `lines` that is not skipped or a line before it, from 1."""
    lines: list[bytes]
    bytes_read: int
    """Bytes of the file (as stored) that were read for the chunk."""


def check_sources(sources: Sequence[str], *, when_missing: str = "") -> int | None:
    """Total size in bytes as stored; None when standard input is one of them.

    Raises `UsageError` that lists every file that is not there or cannot be read; below them `when_missing`, a hint,
    if one is not there.
    """
    faults: list[str] = []
    size = 0
    hint = ""
    for source in sources:
        if source == "-":
            continue
        try:
            with Path(source).open("rb") as file:
                size += file.seek(0, 2) if file.seekable() else 0
        except OSError as error:
            faults.append(f"{source}: {error.strerror}")
            if when_missing and isinstance(error, FileNotFoundError):
                hint = f"\n{when_missing}"
    if faults:
        raise UsageError("cannot read\n" + "\n".join(f"  - {fault}" for fault in faults) + hint)
    if sources.count("-") > 1:
        raise UsageError("standard input (-) can be read only once")
    return None if "-" in sources else size


def read_chunks(source: str) -> Iterator[Chunk]:
    """The lines of one file (`-`: standard input)."""
    if source == "-":
        stdin = sys.stdin.buffer
        yield from _chunks(source, getattr(stdin, "read1", stdin.read))
        return
    try:
        with Path(source).open("rb", buffering=0) as file:
            yield from _chunks(source, file.read)
    except OSError as error:
        raise SpendstreamError(f"{source}: {error.strerror}") from error


def read_chunks_of(source: str, file: BinaryIO) -> Iterator[Chunk]:
    """The lines of an open file, called `source` in errors."""
    return _chunks(source, file.read)


def _chunks(source: str, read: _Readable) -> Iterator[Chunk]:
    number = 1
    begun: list[bytes] = []  # pieces of the line whose end is not read yet
    begun_bytes = 0
    spent = 0
    for text, stored in _text(source, read):
        spent += stored
        parts = text.split(b"\n")
        if len(parts) == 1:
            begun.append(text)
            begun_bytes += len(text)
            if begun_bytes > LINE_MAX:
                raise SpendstreamError(f"{source}: line {number} is longer than {LINE_MAX >> 20} MiB: this is no JSONL")
            continue
        parts[0] = b"".join(begun) + parts[0]
        begun, begun_bytes = [parts[-1]], len(parts[-1])
        del parts[-1]
        yield Chunk(source, number, [line for line in parts if line and line != b"\r"], spent)
        number += len(parts)
        spent = 0
    last = b"".join(begun)
    yield Chunk(source, number, [last] if last and last != b"\r" else [], spent)


def _text(source: str, read: _Readable) -> Iterator[tuple[bytes, int]]:
    """(text, bytes as stored) block by block."""
    head = b""
    while len(head) < len(_GZIP) and (more := read(BLOCK_BYTES)):
        head += more
    if not head.startswith(_GZIP):
        if head:
            yield head, len(head)
        while plain := read(BLOCK_BYTES):
            yield plain, len(plain)
        return
    stored = 0
    inflate = zlib.decompressobj(_WBITS_GZIP)
    block: bytes | None = head
    while block:
        stored += len(block)
        fed = len(block)
        while block:
            if inflate.eof:
                block = block.lstrip(b"\0")  # padding between members is legal
                if not block:
                    break
                inflate = zlib.decompressobj(_WBITS_GZIP)
            try:
                text = inflate.decompress(block, INFLATE_BYTES)
            except zlib.error as error:
                raise SpendstreamError(f"{source}: the gzip data is damaged near byte {stored}: {error}") from error
            yield text, fed
            fed = 0
            block = inflate.unused_data if inflate.eof else inflate.unconsumed_tail
        block = read(BLOCK_BYTES)
    if not inflate.eof:
        raise SpendstreamError(f"{source}: the gzip data is cut off after byte {stored}; the lines before were read")
