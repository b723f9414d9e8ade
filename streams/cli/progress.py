"""A progress bar on standard error, on a terminal only."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Iterator

from streams.replay.run import Progress

_REDRAW_S = 0.2


@contextlib.contextmanager
def drawn(progress: Progress, size: int | None) -> Iterator[None]:
    """Draw `progress` while the block runs. `size`: bytes to read in all, None when nobody knows."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console
    from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    over = threading.Event()
    with Bar(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
    ) as bar:
        task = bar.add_task("reading", total=size)

        def draw() -> None:
            while not over.wait(_REDRAW_S):
                what = "waiting for the ledger" if progress.published_all else f"{progress.published:,} published"
                text = f"{what}, {progress.behind:,} not in the ledger yet"
                bar.update(task, completed=progress.bytes_read, description=text)

        # A thread: the event loop may be busy with the worker for tenths of a second.
        drawing = threading.Thread(target=draw, daemon=True)
        drawing.start()
        try:
            yield
        finally:
            over.set()
            drawing.join(1.0)
