"""The table of docs/faults.md, between its two marks, from results that are kept in a file.

A full run takes an hour and a half; a fault that was mended meanwhile is run again by itself (`--only`), and its row
takes the place of the old one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

BEGIN: Final = "<!-- table: begin (python -m tests.faults --full --table) -->"
END: Final = "<!-- table: end -->"


@dataclass(frozen=True, slots=True)
class Row:
    """What one fault came to. `recovered_s`: the longest recovery; `seconds`: all of it."""

    name: str
    what: str
    injected: int
    sent: int
    lost: int
    doubled: int
    recovered_s: float
    seconds: float
    full: bool


def kept(file: Path) -> dict[str, Row]:
    """The rows of a results file (JSON), by name; none without one."""
    if not file.exists():
        return {}
    return {row.name: row for row in msgspec.json.decode(file.read_bytes(), type=list[Row])}


def keep(file: Path, rows: Sequence[Row], order: Sequence[str]) -> list[Row]:
    """Put rows into the file, in place of older ones of their names; all that it holds then, in this order."""
    together = kept(file) | {row.name: row for row in rows}
    found = [together[name] for name in order if name in together]
    file.write_bytes(msgspec.json.format(msgspec.json.encode(found)))
    return found


def table(rows: Sequence[Row]) -> str:
    """Markdown: one row a fault."""
    lines = [
        "| fault | what is done | injected | calls sent | lost | doubled | recovered in at most, s |",
        "|---|---|--:|--:|--:|--:|--:|",
    ]
    lines += [
        f"| {row.name} | {row.what} | {row.injected} | {row.sent:,} | {row.lost} | {row.doubled} "
        f"| {row.recovered_s:.1f} |"
        for row in rows
    ]
    form = "full" if all(row.full for row in rows) else "short"
    total, minutes = sum(row.sent for row in rows), sum(row.seconds for row in rows) / 60
    lines += ["", f"{len(rows)} faults, {total:,} calls, the {form} form, {minutes:.0f} minutes on two cores."]
    return "\n".join(lines)


def write(page: Path, rows: Sequence[Row]) -> None:
    """Put the table between the marks of the page."""
    text = page.read_text("utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text(f"{before}{BEGIN}\n{table(rows)}\n{END}{after}", "utf-8")
