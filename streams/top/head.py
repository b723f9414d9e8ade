"""The lines above the table: what is going on in the whole window. Text with styles; no line is longer than asked."""

from __future__ import annotations

from rich.text import Text

from streams.printable import printable
from streams.top.columns import shortened
from streams.top.look import Look
from streams.top.shown import apart, clock, count, day, money, sparkline

LINES = 4


def head(look: Look, width: int, *, idle: bool = False) -> list[Text]:
    """`LINES` lines. `idle`: nobody writes to the ledger."""
    window, totals, arrivals = look.window, look.totals, look.arrivals
    minutes = look.minutes
    delay = "-"
    if arrivals.delay_p50_ms is not None and arrivals.delay_p99_ms is not None:
        delay = f"{arrivals.delay_p50_ms / 1000:.1f} s, p99 {arrivals.delay_p99_ms / 1000:.1f} s"
    rate = "nothing runs" if idle else f"{arrivals.calls_per_s:,.1f}" if arrivals.calls else "0"
    unpriced = f"{count(window.unpriced)} ({window.unpriced / window.calls:.0%})" if window.unpriced else "0"
    errors = f"{window.errors / window.calls:.1%}" if window.errors else "0"
    rows = (
        (
            ("written/s", rate, "bold"),
            ("spent", f"${money(window.cost_usd)}", "bold green"),
            ("$/min", money(window.cost_usd / int(minutes)), "bold green"),
            ("calls", count(window.calls), "bold"),
        ),
        (
            ("to ledger", delay, ""),
            ("in/min", count(window.input_tokens / minutes), ""),
            ("out/min", count(window.output_tokens / minutes), ""),
            ("errors", errors, "yellow" if window.errors else ""),
        ),
        (
            ("ledger", f"{count(totals.calls)} calls", ""),
            ("dupl.", f"{totals.duplicates:,}", ""),
            ("rejects", f"{totals.rejects:,}", "yellow" if totals.rejects else ""),
            ("unpriced", unpriced, "yellow" if window.unpriced else ""),
        ),
    )
    places = tuple(at * width // 100 for at in (0, 36, 58, 80))
    lines = [_row(row, places, width) for row in rows]
    values = [float(value) for value in look.steps()]
    wide = min(len(values), width - 6)
    spark = Text.assemble(("spend ", "dim"), (sparkline(values[-wide:]), "green"))
    if width - len(spark) > 20:
        spark.append(f" last {look.view.window}", "dim")
    return [*lines, spark]


INCIDENTS = 3
"""Lines of open incidents at most; what is beyond is counted."""


def alarms(look: Look, width: int) -> list[Text]:
    """Open incidents, a line each, the dearest first; nothing when there is none."""
    lines: list[Text] = []
    found = look.incidents
    shown = found if len(found) <= INCIDENTS else found[: INCIDENTS - 1]
    for one in shown:
        where = one.run_id or one.agent_id
        line = Text.assemble(
            (f" {one.severity} ", "reverse red" if one.severity == "critical" else "reverse yellow"),
            (f" {one.kind.replace('_', ' ')} ", "bold"),
            shortened(printable(where), max(16, width // 4)),
            (f" ${money(one.cost_usd)}", "bold red"),
            f" in {count(one.calls)} calls, {apart(max(0, look.now_ms - one.opened_ms))}",
            (f", seen by {printable(one.acknowledged_by)}" if one.acknowledged_by else "", "green"),
            (f"  {printable(one.evidence)}", "dim"),
        )
        line.truncate(width, overflow="ellipsis")
        lines.append(line)
    if len(found) > len(shown):
        lines.append(Text(f" and {len(found) - len(shown)} more open incidents: spendstream incidents", "yellow"))
    return lines


def title(look: Look | None, name: str, width: int) -> Text:
    """The ledger and what "now" is."""
    left = Text.assemble((" spendstream top ", "bold reverse"), f" {printable(name)}")
    if look is None:
        right = Text()
    elif look.is_empty:
        right = Text(f"{clock(look.clock_ms)} UTC")
    elif look.of_clock:
        right = Text(f"now {clock(look.now_ms)} UTC", "bold")
    else:
        right = Text.assemble((f"newest call {day(look.now_ms)}", "bold"), " UTC")
    gap = width - len(left) - len(right)
    if gap < 1:
        left.truncate(max(0, width - len(right) - 1), overflow="ellipsis")
        gap = max(0, width - len(left) - len(right))
    line = Text.assemble(left, " " * gap, right)
    line.truncate(width)
    return line


def note(look: Look | None, fault: str, *, idle: bool, paused: bool, retry_s: float) -> Text:
    """What must be said before anything else; empty when all is well."""
    if fault:
        return Text(f"{fault}; asking again every {retry_s:g} s", "red")
    if look is None:
        return Text("asking the ledger ...", "dim")
    if paused:
        return Text("paused; space goes on", "yellow")
    if look.is_empty:
        return Text()
    if idle:
        return Text("nothing runs on this directory: figures are those of its last stop", "yellow")
    if not look.of_clock:
        behind = apart(look.clock_ms - look.now_ms)
        return Text(f"these calls are {behind} behind the clock: times are the calls' own", "yellow")
    return Text()


def _row(row: tuple[tuple[str, str, str], ...], places: tuple[int, ...], width: int) -> Text:
    line = Text()
    for place, (label, value, style) in zip(places, row, strict=True):
        line.append(" " * max(1 if place else 0, place - len(line)))
        line.append(f"{label} ", "dim").append(value, style)
    line.truncate(width)
    return line
