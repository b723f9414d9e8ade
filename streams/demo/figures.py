"""What the ledger says of the demo so far. Everything on the screen is read back from it, nothing is what we believe
to have sent."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

from streams.demo.flagged import Flag, flags
from streams.top import read
from streams.top.figures import Arrivals, By, Line, Point, RunSpend, Scope, Totals

RECENT_S = 5.0
"""Rates are of the last so many seconds."""
STEPS = 48
"""Steps of the demo's span in the trend: a quarter of an hour in a working day of twelve."""


NOTHING = Totals()


@dataclass(frozen=True, slots=True)
class Figures:
    """One look at the ledger; everything since the demo began."""

    at_ms: int
    """The company's clock when it was taken, epoch ms."""
    totals: Totals = NOTHING
    arrivals: Arrivals | None = None
    usd_per_minute: Decimal = Decimal(0)
    """Of the company's time."""
    agents: tuple[Line, ...] = ()
    teams: tuple[Line, ...] = ()
    tiers: tuple[Line, ...] = ()
    trend: tuple[Point, ...] = ()
    runs: dict[str, RunSpend] = field(default_factory=dict)
    flags: tuple[Flag, ...] = ()
    """What the worker took for a runaway."""


class Looker:
    """Takes `Figures`, each from some cheap queries. Blocks: call it in a thread, never from two."""

    def __init__(self, reader: read.Reader, scope: Scope, run_ids: Sequence[str]) -> None:
        """`scope`: the demo's event time; what the ledger held of it before is left out (when `before` was called)."""
        self._reader = reader
        self._scope = scope
        self._run_ids = run_ids
        self._totals = Totals()
        self._lines: dict[By, dict[str, Line]] = {}
        self._flagged: frozenset[str] = frozenset()
        self._recent: deque[tuple[int, Decimal]] = deque()

    def before(self) -> Totals:
        """Note what is there before the first call; returns it."""
        self._totals = read.totals(self._reader)
        if self._totals.calls:
            for by in ("agent_id", "team_id", "tier"):
                self._lines[by] = {line.key: line for line in read.groups(self._reader, self._scope, by, limit=10_000)}
            self._flagged = frozenset(flag.id for flag in self._flags())
        return self._totals

    def rows(self) -> int:
        """Ledger rows since `before`; a call that was sent on to its own partition counts where it ended."""
        now = read.totals(self._reader).since(self._totals)
        return now.rows - now.moved

    def look(self, at_ms: int, clock_ms: int) -> Figures:
        """`at_ms`: the company's clock; `clock_ms`: the real one. Epoch ms both."""
        totals = read.totals(self._reader).since(self._totals)
        self._recent.append((at_ms, totals.cost_usd))
        while len(self._recent) > RECENT_S + 1:
            self._recent.popleft()
        (first_ms, first), (last_ms, last) = self._recent[0], self._recent[-1]
        minutes = Decimal(max(last_ms - first_ms, 1)) / 60_000
        step_s = max(1, (self._scope.to_ms - self._scope.from_ms) // 1000 // STEPS)
        return Figures(
            at_ms=at_ms,
            totals=totals,
            arrivals=read.arrivals(self._reader, clock_ms, RECENT_S),
            usd_per_minute=(last - first) / minutes if last_ms > first_ms else Decimal(0),
            agents=self.groups("agent_id"),
            teams=self.groups("team_id"),
            tiers=self.groups("tier"),
            trend=tuple(read.trend(self._reader, self._scope, step_s)),
            runs=read.runs(self._reader, self._scope, self._run_ids),
            flags=self._flags(),
        )

    def _flags(self) -> tuple[Flag, ...]:
        found = flags(self._reader, self._scope.from_ms, self._scope.to_ms)
        return tuple(flag for flag in found if flag.id not in self._flagged)

    def groups(self, by: By) -> tuple[Line, ...]:
        """Spend by one column since `before`, the greatest first."""
        known = self._lines.get(by, {})
        lines = [_less(line, known.get(line.key)) for line in read.groups(self._reader, self._scope, by)]
        return tuple(sorted((line for line in lines if line.calls), key=lambda line: (-line.cost_usd, line.key)))


def _less(line: Line, before: Line | None) -> Line:
    if before is None:
        return line
    return replace(
        line,
        calls=line.calls - before.calls,
        errors=line.errors - before.errors,
        unpriced=line.unpriced - before.unpriced,
        input_tokens=line.input_tokens - before.input_tokens,
        cached_tokens=line.cached_tokens - before.cached_tokens,
        output_tokens=line.output_tokens - before.output_tokens,
        cost_usd=line.cost_usd - before.cost_usd,
    )
