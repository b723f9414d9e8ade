"""The table of `top`: which columns fit a width, and what stands in their cells."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from streams.top.figures import CallLine, Line, Order
from streams.top.look import Look
from streams.top.shown import apart, bars, clock, count, money

BAR = 10


@dataclass(frozen=True, slots=True)
class Column:
    """One column. `width` without padding; `order`: what choosing it sorts by."""

    title: str
    width: int
    right: bool = True
    order: Order | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """What is drawn: cells as text, `keys` name the rows for going into them."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]
    keys: tuple[str, ...]


_Cell = Callable[[Line, Look, Decimal], str]

_GROUPS: tuple[tuple[int, Column, _Cell], ...] = (
    (0, Column("$/min", 8, order="cost_usd"), lambda line, look, _: _usd(line, look.minutes)),
    (1, Column("spent $", 8, order="cost_usd"), lambda line, look, _: _usd(line, 1)),
    (0, Column("calls", 6, order="calls"), lambda line, look, _: count(line.calls)),
    (2, Column("in/min", 7, order="input_tokens"), lambda line, look, _: count(line.input_tokens / look.minutes)),
    (2, Column("out/min", 7, order="output_tokens"), lambda line, look, _: count(line.output_tokens / look.minutes)),
    (4, Column("cached", 6), lambda line, look, _: _share(line.cached_tokens, line.input_tokens)),
    (3, Column("errors", 6, order="errors"), lambda line, look, _: _share(line.errors, line.calls)),
    (5, Column("unpriced", 8, order="unpriced"), lambda line, look, _: count(line.unpriced) if line.unpriced else ""),
    (7, Column("agents", 6), lambda line, look, _: count(line.agents)),
    (6, Column("last", 7), lambda line, look, _: apart(look.now_ms - line.last_ms)),
    (4, Column("share", BAR, right=False), lambda line, look, most: bars(line.cost_usd, most, BAR)),
)
"""With the rank by which they give way on narrow terminals (0 never does)."""

_PAD = 1
NAME_LEAST = 22
AGENT_LEAST = 16


def groups(look: Look, width: int) -> Table:
    """The lines of a look in `width` characters."""
    title = {"agent_id": "agent", "team_id": "team", "tier": "tier", "request_model": "model", "run_id": "run"}
    room = width - NAME_LEAST - _PAD
    fitting: set[int] = set()
    for at, (_, column, _cell) in sorted(enumerate(_GROUPS), key=lambda entry: entry[1][0]):
        if column.width + _PAD > room:
            break
        fitting.add(at)
        room -= column.width + _PAD
    chosen = [_GROUPS[at] for at in sorted(fitting)]
    most = max((line.cost_usd for line in look.lines), default=Decimal(0))
    name = Column(title[look.view.by], NAME_LEAST + max(0, room), right=False)
    return Table(
        (name, *(column for _, column, _ in chosen)),
        tuple(
            (shortened(line.key or "(none)", name.width), *(cell(line, look, most) for _, _, cell in chosen))
            for line in look.lines
        ),
        tuple(line.key for line in look.lines),
    )


def calls(look: Look, width: int) -> Table:
    """A run's calls."""
    model = 17 if width < 110 else 28
    columns: list[tuple[int, Column, Callable[[CallLine], str]]] = [
        (0, Column("time UTC", 8, right=False), lambda call: clock(call.time_ms)),
        (0, Column("$", 8), lambda call: "unpriced" if call.cost_usd is None else money(call.cost_usd)),
        (0, Column("in", 6), lambda call: count(call.input_tokens)),
        (3, Column("cached", 6), lambda call: _share(call.cached_tokens, call.input_tokens)),
        (1, Column("out", 6), lambda call: count(call.output_tokens)),
        (0, Column("status", 10, right=False), _status),
        (2, Column("model", model, right=False), lambda call: shortened(call.model, model)),
        (4, Column("took", 7), lambda call: "" if call.latency_ms is None else f"{call.latency_ms / 1000:.1f} s"),
        (5, Column("tool", 12, right=False), lambda call: shortened(call.tool_name, 12)),
    ]
    room = width - AGENT_LEAST - _PAD
    fitting: set[int] = set()
    for at, (_, column, _cell) in sorted(enumerate(columns), key=lambda entry: entry[1][0]):
        if column.width + _PAD > room:
            break
        fitting.add(at)
        room -= column.width + _PAD
    chosen = [columns[at] for at in sorted(fitting)]
    name = Column("agent", AGENT_LEAST + max(0, room), right=False)
    shape = (chosen[0][1], name, *(column for _, column, _ in chosen[1:]))
    rows = tuple(
        (
            chosen[0][2](call),
            shortened(call.agent_id, name.width),
            *(cell(call) for _, _, cell in chosen[1:]),
        )
        for call in look.calls
    )
    return Table(shape, rows, tuple(str(at) for at in range(len(rows))))


def shortened(text: str, width: int) -> str:
    """At most `width` characters, the middle left out: names differ at both ends."""
    if len(text) <= width:
        return text
    head = (width - 1) // 2
    return f"{text[:head]}…{text[len(text) - (width - 1 - head) :]}"


def aligned(table: Table) -> Sequence[str]:
    """Header and rows as plain lines."""

    def line(cells: Sequence[str]) -> str:
        return " ".join(
            cell.rjust(column.width) if column.right else cell.ljust(column.width)
            for cell, column in zip(cells, table.columns, strict=True)
        ).rstrip()

    return [line([column.title for column in table.columns]), *(line(row) for row in table.rows)]


def _usd(line: Line, divided_by: float) -> str:
    if line.unpriced == line.calls:
        return "unpriced"
    return money(line.cost_usd / Decimal(str(divided_by)))


def _share(part: int, whole: int) -> str:
    if not whole or not part:
        return ""
    return f"{part / whole:.0%}" if part * 200 >= whole else "<1%"


def _status(call: CallLine) -> str:
    status = "limited" if call.status == "rate_limited" else call.status
    return shortened(f"{status} #{call.attempt}" if call.attempt > 1 else status, 10)
