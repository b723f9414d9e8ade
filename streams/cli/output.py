"""Standard output carries a command's result and nothing else.

    with result_only() as say_json: ...; say_json({...})

Inside `result_only` whatever libraries print (Python's `print`, and C code that writes to descriptor 1) goes to
standard error; the result is written at the end, to the real standard output.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import click


def one_json(result: Mapping[str, Any]) -> str:
    """A result as one line of JSON. Values must be JSON's own types: money is a string already."""
    return json.dumps(result, ensure_ascii=False, allow_nan=False)


def remark(text: str) -> None:
    """One line on standard error that goes with a result, if there is a text."""
    if text:
        click.echo(f"spendstream: {text}", err=True)


@contextlib.contextmanager
def result_only() -> Iterator[Callable[[str | bytes], None]]:
    """Yields the one function that writes to standard output: text gets a line end, bytes go out as they are."""
    real = sys.stdout
    real.flush()
    saved = _divert(real)
    sys.stdout = sys.stderr
    answers: list[str | bytes] = []
    try:
        yield answers.append
    except BaseException:
        answers.clear()  # half a result would look like a whole one
        raise
    finally:
        sys.stdout = real
        if saved is not None:
            os.dup2(saved, 1)
            os.close(saved)
        for answer in answers:
            _write(real, answer)


def _write(stream: Any, answer: str | bytes) -> None:
    """All of it: unbuffered (PYTHONUNBUFFERED), one write to a pipe may take a part only and say nothing."""
    binary = getattr(stream, "buffer", None)
    if binary is None:
        click.echo(answer, file=stream, nl=isinstance(answer, str))
        return
    stream.flush()
    left = memoryview(answer if isinstance(answer, bytes) else f"{answer}\n".encode("utf-8", "backslashreplace"))
    while left:
        left = left[binary.write(left) :]
    binary.flush()


def _divert(stream: Any) -> int | None:
    """Point descriptor 1 at standard error; None where `stream` is not descriptor 1 (tests capture it)."""
    try:
        if stream.fileno() != 1 or sys.stderr.fileno() != 2:
            return None
    except (OSError, ValueError, AttributeError):
        return None
    saved = os.dup(1)
    os.dup2(2, 1)
    return saved
