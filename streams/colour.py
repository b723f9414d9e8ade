"""Whether to write in colour: on a terminal, unless NO_COLOR says otherwise (https://no-color.org)."""

from __future__ import annotations

import os
from typing import TextIO


def coloured(stream: TextIO) -> bool:
    """Asked when something is written: `stream` is a terminal, and NO_COLOR is unset or empty."""
    return stream.isatty() and not os.environ.get("NO_COLOR")
