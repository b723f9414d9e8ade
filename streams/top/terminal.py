"""Textual draws on standard error. Where that goes elsewhere (`top 2>errors`), the screen would stay blank."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def drawing_on_stdout() -> Iterator[None]:
    """Inside, standard error is the terminal of standard output; what is written before and after goes where it did.

    Changes nothing where standard error is a terminal. Standard output must be one.
    """
    error = sys.__stderr__
    if error is None or error.isatty():
        yield
        return
    error.flush()
    number = error.fileno()
    saved = os.dup(number)
    os.dup2(1, number)
    try:
        yield
    finally:
        error.flush()
        os.dup2(saved, number)
        os.close(saved)
