"""One look at the ledger for a view: a handful of cheap queries, one after the other.

While a worker writes, later ones may know calls that earlier ones did not; the whole ledger is asked last, so that it
is never less than its window.

What "now" is: the clock, when the newest call is at most `NEAR_MS` old by its own time. Else the newest call that is
being written, or, when nothing is, the newest of all: so that a replay of a past year shows what agents spent then and
not an empty hour. Which of them it is, is said.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from streams.top import read
from streams.top.figures import Arrivals, CallLine, Line, OpenIncident, Point, Totals
from streams.top.view import View

NEAR_MS = 300_000
RECENT_S = 10.0
"""Of the clock: what `calls/s` and the delay are taken from."""
STEPS = 60
"""Of the trend."""
LIMIT = 300
"""Lines that are fetched; more than anybody scrolls."""


@dataclass(frozen=True, slots=True)
class Look:
    """What a view shows. Rates a minute are of event time, `arrivals` of the clock."""

    view: View
    clock_ms: int
    newest_ms: int
    """0: the ledger is empty."""
    now_ms: int
    totals: Totals
    arrivals: Arrivals
    lines: tuple[Line, ...] = ()
    calls: tuple[CallLine, ...] = ()
    trend: tuple[Point, ...] = ()
    incidents: tuple[OpenIncident, ...] = ()
    """Open ones, whatever the view."""

    @property
    def is_empty(self) -> bool:
        """The ledger holds no call."""
        return self.newest_ms == 0

    @property
    def of_clock(self) -> bool:
        """`now_ms` is the clock's, not the newest call's."""
        return self.now_ms == self.clock_ms

    @property
    def minutes(self) -> float:
        """Length of the window."""
        return self.view.seconds / 60

    @property
    def window(self) -> Point:
        """All of the window in one."""
        return Point(
            at_ms=self.now_ms - self.view.seconds * 1000,
            calls=sum(point.calls for point in self.trend),
            errors=sum(point.errors for point in self.trend),
            unpriced=sum(point.unpriced for point in self.trend),
            input_tokens=sum(point.input_tokens for point in self.trend),
            output_tokens=sum(point.output_tokens for point in self.trend),
            cost_usd=sum((point.cost_usd for point in self.trend), start=Decimal(0)),
        )

    def steps(self) -> list[Decimal]:
        """Spend in each step of the window, oldest first; steps without calls are 0."""
        size = step_seconds(self.view) * 1000
        first = (self.now_ms - self.view.seconds * 1000) // size
        values = [Decimal(0)] * STEPS
        for point in self.trend:
            at = point.at_ms // size - first
            values[min(max(at, 0), STEPS - 1)] += point.cost_usd
        return values


def step_seconds(view: View) -> int:
    """Seconds in a step of the trend."""
    return max(1, view.seconds // STEPS)


def now_of(newest_ms: int, arriving_ms: int, clock_ms: int) -> int:
    """See the module. `newest_ms`: of all, `arriving_ms`: of those written in the last seconds; 0 where there is none.

    A call from the future (a router's wrong clock) does not move now beyond the clock.
    """
    if newest_ms == 0 or newest_ms >= clock_ms - NEAR_MS:
        return clock_ms
    return (arriving_ms or newest_ms) + 1


def take(reader: read.Reader, view: View, clock_ms: int) -> Look:
    """Look. Blocks. Raises `Unavailable` or `LedgerError`."""
    newest = read.newest_ms(reader)
    arrivals = read.arrivals(reader, clock_ms, RECENT_S)
    now_ms = now_of(newest, arrivals.newest_ms, clock_ms)
    if newest == 0:
        return Look(view, clock_ms, 0, now_ms, read.totals(reader), arrivals)
    scope = view.scope(now_ms)
    trend = tuple(read.trend(reader, scope, step_seconds(view)))
    incidents = tuple(read.incidents(reader))
    calls: tuple[CallLine, ...] = ()
    lines: list[Line] = []
    if view.run is not None:
        calls = tuple(read.calls(reader, scope, LIMIT))
    else:
        lines = read.groups(reader, scope, view.by, order=view.order, search=view.search, limit=LIMIT)
        if view.ascending:
            lines.reverse()
    return Look(view, clock_ms, newest, now_ms, read.totals(reader), arrivals, tuple(lines), calls, trend, incidents)
