"""All lines of all files in a random order that a seed repeats, on disk: memory is 8 bytes a line."""

from __future__ import annotations

import mmap
import tempfile
from array import array
from collections.abc import Iterable, Iterator

import numpy as np

from streams.replay.lines import Chunk

_CHUNK_LINES = 5_000


def shuffled(chunks: Iterable[Chunk], seed: int) -> Iterator[Chunk]:
    """The same lines in another order; blocks until the last is read, then yields chunks of source `shuffled`.

    Chunks report no bytes read once shuffling begins: what was read is reported with empty chunks before.
    """
    ends = array("q", [0])
    with tempfile.TemporaryFile() as spool:
        end = 0
        for chunk in chunks:
            for line in chunk.lines:
                end += len(line)
                ends.append(end)
            spool.writelines(chunk.lines)
            yield Chunk(chunk.source, chunk.first_line, [], chunk.bytes_read)
        count = len(ends) - 1
        if not count:
            return
        spool.flush()
        order = np.random.default_rng(seed).permutation(count)
        with mmap.mmap(spool.fileno(), 0, access=mmap.ACCESS_READ) as text:
            for start in range(0, count, _CHUNK_LINES):
                places = order[start : start + _CHUNK_LINES].tolist()
                yield Chunk("shuffled", start + 1, [text[ends[at] : ends[at + 1]] for at in places], 0)
