"""Values as compressed pickles, and back: trust their source."""

from __future__ import annotations

import pickle
import zlib
from typing import Any


def pack(value: Any) -> bytes:
    """A value as bytes. Level 1 leaves 40 % of a root agent, level 6 37 %, for ten times the time."""
    return zlib.compress(pickle.dumps(value, protocol=5), 1)


def unpack(part: bytes) -> Any:
    """What `pack` packed."""
    return pickle.loads(zlib.decompress(part))
