"""The digest of a month's figures: SHA-256 of their canonical text, to tell whether two people have the same ones.

One line a figure, sorted, fields as JSON: kind, day, tenant, team, tier, provider, model, calls, the five token counts,
cost in USD with twelve decimals, unpriced, errors. Before them one line with the month.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from datetime import date

from streams.closing.fees import Fee, as_cell
from streams.closing.statement import Correction
from streams.money import exact
from streams.report.sums import Cell

Figure = tuple[str, Cell]
"""A cell and its kind: usage, late, rerated or plan."""


def figures(
    month: date, usage: Sequence[Cell], corrections: Sequence[Correction], fees: Sequence[Fee] = ()
) -> list[Figure]:
    """All figures of a month."""
    return [
        *(("usage", cell) for cell in usage),
        *((one.kind, one.cell) for one in corrections),
        *(("plan", as_cell(fee, month)) for fee in fees),
    ]


def digest(month: date, asked: Iterable[Figure]) -> str:
    """64 hex digits; the order of the figures does not matter, and equal groups are one."""
    lines = sorted(line(kind, cell) for kind, cell in asked)
    return hashlib.sha256("\n".join([f"{month:%Y-%m}", *lines]).encode()).hexdigest()


def line(kind: str, cell: Cell) -> str:
    """One figure as text."""
    sums = cell.sums
    fields = [
        kind, cell.day, cell.tenant, cell.team, cell.tier, cell.provider, cell.model,
        sums.calls, sums.input, sums.output, sums.cache_read, sums.cache_write, sums.reasoning,
        exact(sums.cost), sums.unpriced, sums.errors,
    ]  # fmt: skip
    return json.dumps(fields, ensure_ascii=True, separators=(",", ":"))
