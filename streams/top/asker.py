"""Asks in a thread of its own: the view never waits for the ledger, and closing it never waits for a hung server.

Contract: the newest request wins; each answer carries the view it is for; a fault is an answer too. The thread is a
daemon, so the process ends even when a server never answers. A question to the engine inside this process is waited
for: the process must not end under it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from streams.errors import SpendstreamError
from streams.top.look import Look, take
from streams.top.source import Source
from streams.top.view import View

FINISH_S = 20.0
"""Longer than a question may take (`streams.top.read.LIMITS`)."""


@dataclass(frozen=True, slots=True)
class Answer:
    """To a request for `view`: a look, or why there is none."""

    view: View
    look: Look | None
    fault: str
    idle: bool
    """Nobody writes to the ledger."""


class Asker:
    """See the module."""

    def __init__(self, source: Source, clock_ms: Callable[[], int], answer: Callable[[Answer], None]) -> None:
        """`answer` is called in the asker's thread."""
        self._source = source
        self._clock_ms = clock_ms
        self._answer = answer
        self._condition = threading.Condition()
        self._wanted: View | None = None
        self._over = False
        self._last: Answer | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to answer."""
        self._thread = threading.Thread(target=self._run, name="spendstream-top", daemon=True)
        self._thread.start()

    def ask(self, view: View) -> None:
        """Ask for a look; replaces a request that was not begun."""
        with self._condition:
            self._wanted = view
            self._condition.notify()

    def stop(self) -> None:
        """Answer nothing more. Waits only for a question that the engine of this process is answering."""
        with self._condition:
            self._over = True
            self._condition.notify()
        if self._thread is not None and self._source.in_process:
            self._thread.join(FINISH_S)

    def _run(self) -> None:
        while True:
            with self._condition:
                self._condition.wait_for(lambda: self._wanted is not None or self._over)
                if self._over:
                    return
                view, self._wanted = self._wanted, None
            assert view is not None
            answer = self._one(view)
            with self._condition:
                if self._over:
                    return
            self._answer(answer)

    def _one(self, view: View) -> Answer:
        try:
            idle = self._source.is_idle()
            last = self._last
            if idle and last is not None and last.idle and last.look is not None and last.view == view:
                return last
            look = self._source.ask(lambda reader: take(reader, view, self._clock_ms()))
            self._last = Answer(view, look, "", idle)
        except SpendstreamError as error:
            self._last = Answer(view, None, str(error), False)
        except Exception as error:
            self._last = Answer(view, None, f"unexpected {type(error).__name__}: {error}", False)
        return self._last
