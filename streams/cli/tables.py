"""A table of text for a terminal, or one row a line for a pipe."""

from __future__ import annotations

import sys
from collections.abc import Collection, Sequence


def drawn(header: Sequence[str], rows: Sequence[Sequence[str]], right: Collection[int] = ()) -> str:
    """Rows of text under their header; `right`: columns of figures."""
    from io import StringIO

    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for at, name in enumerate(header):
        table.add_column(Text(name), justify="right" if at in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    terminal = sys.__stdout__ is not None and sys.__stdout__.isatty()
    file = StringIO()
    # Off a terminal nothing is folded: what reads a pipe wants one row a line.
    Console(file=file, width=None if terminal else 100_000, force_terminal=terminal).print(table)
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines())
