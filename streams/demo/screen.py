"""Draws a demo for a terminal of 80 x 24 and larger; smaller ones get the figures that fit.

Pure: a `Stage` and a size in, something that rich prints out. Colour helps and is never needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from streams.demo.company import NAME
from streams.demo.figures import STEPS, Figures
from streams.demo.flagged import flag_of
from streams.demo.run import Stage
from streams.demo.runaways import Runaway
from streams.top.figures import Line, Point
from streams.top.shown import bars, count, money, sparkline

LEAST_WIDTH, LEAST_HEIGHT = 60, 14
AHEAD_S = 20.0
"""A runaway is announced so many seconds before it begins."""

_ANSWER = "dim"


class Screen:
    """A `Stage` as rich draws it: exactly as many lines as the terminal has, none longer than it is wide."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width, height = options.max_width, options.height or console.height
        if width < LEAST_WIDTH or height < LEAST_HEIGHT:
            drawn: RenderableType = Text(
                f"{width}x{height} is too small for the demo's screen: it needs {LEAST_WIDTH}x{LEAST_HEIGHT}. "
                "The demo goes on.",
                overflow="fold",
            )
        else:
            drawn = _screen(self._stage, width, height)
        lines = console.render_lines(drawn, options.update(height=None), pad=False)[:height]
        for number, line in enumerate(lines):
            if number:
                yield Segment.line()
            yield from line


def _screen(stage: Stage, width: int, height: int) -> RenderableType:
    figures = stage.figures or Figures(stage.plan.start_ms)
    head: list[RenderableType] = [_title(stage, width), _progress(stage, width), *_numbers(figures, width)]
    runaways = _runaways(stage, most=2 + max(0, height - 24) // 3)
    foot = _foot(stage, width)
    room = height - len(head) - 2 - len(runaways) - len(foot) - 1
    return Group(
        *head,
        _trend(figures, stage, width),
        Text(),
        _tables(figures, width, max(3, room)),
        *runaways,
        Text(),
        *foot,
    )


def _title(stage: Stage, width: int) -> Text:
    now = stage.routers.now_ms if stage.routers else stage.plan.start_ms
    clock = datetime.fromtimestamp(min(now, stage.plan.start_ms + stage.plan.span_ms) / 1000, UTC)
    left = Text.assemble((" spendstream demo ", "bold reverse"), f"  {NAME}, simulated")
    right = Text.assemble((f"{clock:%a %d %b %Y %H:%M}", "bold"), f" UTC, {stage.plan.speed:g}x")
    return _apart(left, right, width)


def _progress(stage: Stage, width: int) -> Text:
    elapsed = min(stage.routers.elapsed_s if stage.routers else 0.0, stage.plan.seconds)
    if stage.doing == "playing":
        said = f" {_minutes(elapsed)} of {_minutes(stage.plan.seconds)}, Ctrl-C ends it"
    else:
        said = f" {stage.doing} ..."
    room = max(4, width - len(said))
    full = int(room * elapsed / stage.plan.seconds)
    return Text.assemble(("━" * full, "cyan"), ("─" * (room - full), "dim"), said)


def _numbers(figures: Figures, width: int) -> list[RenderableType]:
    totals, arrivals = figures.totals, figures.arrivals
    delay = "-"
    if arrivals is not None and arrivals.delay_p50_ms is not None and arrivals.delay_p99_ms is not None:
        delay = f"p50 {arrivals.delay_p50_ms / 1000:.1f} s, p99 {arrivals.delay_p99_ms / 1000:.1f} s"
    rate = f"{arrivals.calls_per_s:,.0f}" if arrivals is not None else "-"
    share = f" ({totals.unpriced / totals.calls:.0%})" if totals.unpriced else ""
    rows = [
        (
            ("calls/s", rate, "bold"),
            ("calls", f"{totals.calls:,}", "bold"),
            ("tokens in", count(totals.input_tokens), "bold"),
            ("out", count(totals.output_tokens), "bold"),
        ),
        (
            ("spent", f"${money(totals.cost_usd)}", "bold green"),
            ("per minute", f"${money(figures.usd_per_minute)}", "green"),
            ("unpriced", f"{totals.unpriced:,}{share}", "yellow" if totals.unpriced else ""),
            ("", "", ""),
        ),
        (
            ("rejected", f"{totals.rejects:,}", "yellow" if totals.rejects else ""),
            ("duplicates", f"{totals.duplicates:,}", ""),
            ("to ledger", delay, ""),
            ("", "", ""),
        ),
    ]
    places = (0, 17, 38, 64) if width < 100 else (0, 24, 52, 84)
    lines: list[RenderableType] = []
    for row in rows:
        line = Text()
        for place, (label, value, style) in zip(places, row, strict=True):
            if not label:
                continue
            line.append(" " * max(1 if place else 0, place - len(line)))
            line.append(f"{label} ", _ANSWER).append(value, style)
        line.truncate(width)
        lines.append(line)
    return lines


def _trend(figures: Figures, stage: Stage, width: int) -> Text:
    step_ms = max(1000, stage.plan.span_ms // 1000 // STEPS * 1000)
    wide = min(STEPS, width - 32)
    values = _steps(figures.trend, stage.plan.start_ms, step_ms)
    most = max(values, default=Decimal(0))
    drawn = sparkline([float(value) for value in values][:wide])
    said = f" ${money(most)} at most in {_span(step_ms)}" if most else ""
    line = Text.assemble(("spend ", _ANSWER), (drawn.ljust(wide), "green"), (said, _ANSWER))
    line.truncate(width)
    return line


def _steps(trend: Sequence[Point], start_ms: int, step_ms: int) -> list[Decimal]:
    values = [Decimal(0)] * STEPS
    for point in trend:
        at = (point.at_ms - start_ms) // step_ms
        if 0 <= at < STEPS:
            values[at] += point.cost_usd
    return values


def _tables(figures: Figures, width: int, room: int) -> Table:
    beside = Table.grid(expand=True, padding=(0, 2, 0, 0))
    left_width = max(34, width * 2 // 5)
    beside.add_column(width=left_width)
    beside.add_column(ratio=1)
    tiers = figures.tiers[:4]
    teams = figures.teams[: max(1, room - len(tiers) - 3)]
    left = Group(
        _table("team", teams, left_width, figures),
        Text(),
        _table("tier", tiers, left_width, figures),
    )
    right_width = width - left_width - 2
    beside.add_row(left, _table("top agents", figures.agents[: max(1, room - 1)], right_width, figures, tokens=True))
    return beside


def _table(title: str, lines: Sequence[Line], width: int, figures: Figures, tokens: bool = False) -> Table:
    wide = width >= 60
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="dim", width=width, expand=True)
    table.add_column(title, ratio=1, no_wrap=True, overflow="ellipsis")
    table.add_column("calls", justify="right", no_wrap=True, width=6)
    if tokens and wide:
        table.add_column("tokens", justify="right", no_wrap=True, width=7)
    table.add_column("spent $", justify="right", no_wrap=True, width=8)
    table.add_column("", no_wrap=True, width=10 if wide else 6)
    most = max((line.cost_usd for line in lines), default=Decimal(0))
    for line in lines:
        unpriced = line.unpriced == line.calls
        cells: list[RenderableType] = [Text(line.key or "(none)"), count(line.calls)]
        if tokens and wide:
            cells.append(count(line.input_tokens + line.output_tokens))
        cells.append(Text("unpriced", "yellow") if unpriced else money(line.cost_usd))
        cells.append(Text(bars(line.cost_usd, most, 10 if wide else 6), "green"))
        table.add_row(*cells)
    return table


def _runaways(stage: Stage, most: int) -> list[RenderableType]:
    """What comes next, and what runs or ran: the newest first."""
    now_ms = stage.routers.now_ms if stage.routers else stage.plan.start_ms
    begun = [r for r in stage.runaways if r.starts_ms <= now_ms][::-1]
    coming = [r for r in stage.runaways if r.starts_ms > now_ms]
    lines: list[RenderableType] = []
    if coming:
        seconds = (coming[0].starts_ms - now_ms) / 1000 / stage.plan.speed
        if seconds <= AHEAD_S or not begun:
            lines.append(Text.assemble((f"in {seconds:.0f} s", "bold yellow"), f": {coming[0].says(now_ms)}"))
        else:
            lines.append(Text(f"in {seconds:.0f} s: {coming[0].says(now_ms)}", "dim"))
    for runaway in begun[: most + 1 - len(lines)]:
        lines.append(_runaway(runaway, stage, now_ms))
    return [Text(), *lines]


def _runaway(runaway: Runaway, stage: Stage, now_ms: int) -> Text:
    spend = stage.figures.runs.get(stage.run_ids.get(runaway, "")) if stage.figures else None
    over = now_ms >= runaway.starts_ms + runaway.length_ms
    said = runaway.says(now_ms)
    line = Text.assemble(("ended " if over else "now   ", "dim" if over else "bold red"), (said, "dim" if over else ""))
    line.no_wrap, line.overflow = True, "ellipsis"
    if spend is not None:
        agents = f", {spend.agents:,} agents" if spend.agents > 1 else ""
        line.append(f"  ${money(spend.cost_usd)}", "dim" if over else "bold red")
        line.append(f" in {spend.calls:,} calls{agents}", "dim")
    flag = flag_of(runaway, stage.run_ids, stage.figures.flags) if stage.figures else None
    if flag is not None:
        line.append("  flagged", "bold yellow" if not over else "dim")
        line.append(
            f" {flag.kind.replace('_', ' ')} after {flag.calls_before:,} calls, ${money(flag.cost_before_usd)}", "dim"
        )
    return line


def _foot(stage: Stage, width: int) -> list[RenderableType]:
    if stage.trouble:
        return [Text(stage.trouble[:width], "red")]
    if stage.running is None:
        return [Text("broker, ledger and worker start in this process", "dim")]
    page, ledger = f"http://{stage.running.api}/", f"http://{stage.running.clickhouse}"
    # 79 columns with ports of five digits
    line = Text.assemble(("page ", "dim"), page, (f"  SQL {ledger}  Kafka {stage.running.broker}", "dim"))
    line.truncate(width)
    return [line]


def _apart(left: Text, right: Text, width: int) -> Text:
    gap = width - len(left) - len(right)
    if gap < 1:
        left.truncate(max(1, width - len(right) - 1))
        gap = max(0, width - len(left) - len(right))
    return Text.assemble(left, " " * gap, right)


def _minutes(seconds: float) -> str:
    whole = int(seconds)
    return f"{whole // 60}:{whole % 60:02d}"


def _span(ms: int) -> str:
    return f"{ms // 60_000} min" if ms >= 60_000 else f"{ms // 1000} s"
