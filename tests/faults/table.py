"""The table of docs/faults.md, between its two marks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Final

from tests.faults.kinds import Scale
from tests.faults.matrix import Result

BEGIN: Final = "<!-- table: begin (python -m tests.faults --full --table) -->"
END: Final = "<!-- table: end -->"


def table(results: Sequence[Result], scale: Scale, seconds: float) -> str:
    """Markdown: one row a fault."""
    lines = [
        "| fault | what is done | injected | calls sent | lost | doubled | recovered in, s (median, most) |",
        "|---|---|--:|--:|--:|--:|--:|",
    ]
    for result in results:
        verdict, took = result.verdict, result.recoveries
        recovered = f"{median(took):.1f}, {max(took):.1f}" if took else ""
        lines.append(
            f"| {result.fault.name} | {result.fault.what} | {result.injected} | {verdict.sent:,} | {verdict.lost} "
            f"| {verdict.doubled} | {recovered} |"
        )
    total = sum(result.verdict.sent for result in results)
    form = "full" if scale.full else "short"
    lines += ["", f"{len(results)} faults, {total:,} calls, the {form} form, {seconds / 60:.0f} minutes on two cores."]
    return "\n".join(lines)


def write(page: Path, results: Sequence[Result], scale: Scale, seconds: float) -> None:
    """Put the table between the marks of the page."""
    text = page.read_text("utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text(f"{before}{BEGIN}\n{table(results, scale, seconds)}\n{END}{after}", "utf-8")
