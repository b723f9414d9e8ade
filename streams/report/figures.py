"""Everything a report says, read from the ledger by the named queries `report_*`; nothing is rounded here.

Teams, tiers, models, days and token classes come from one query, so they add up to the same total even while calls
arrive; agents, runs, unpriced, late and excluded ones are read after it. Of a month that is closed, the former are the
frozen figures, and the latter are what the ledger says now.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from streams.closing.book import Book, Change, read_book
from streams.closing.cut import read_cut
from streams.closing.fees import Fee, read_fees
from streams.closing.statement import Correction, Frozen, read_corrections, read_frozen
from streams.errors import LedgerError, OlderLedger, SpendstreamError
from streams.ledger.sqlfiles import named_query
from streams.money import pico
from streams.report.charged import Charged, Corrected, chargeback, corrected
from streams.report.period import Period, month
from streams.report.sums import Cell, Sums, grouped, total

if TYPE_CHECKING:
    from schemas.plans import Plan
    from streams.cli.reach import Ledger

LATE_HOURS = 24
"""A call that reaches the ledger a day after it was made has missed every figure that was read in between."""

Pair = tuple[Sums, Sums]
"""This period, and the one it is compared with."""


@dataclass(frozen=True, slots=True)
class Agent:
    """One of the agents that cost most; `teams` are names, separated by commas."""

    tenant: str
    agent: str
    teams: str
    runs: int
    sums: Sums


@dataclass(frozen=True, slots=True)
class Run:
    """One of the runs that cost most; instants are RFC 3339 in UTC."""

    tenant: str
    run: str
    first_agent: str
    teams: str
    agents: int
    first_call: str
    last_call: str
    sums: Sums


@dataclass(frozen=True, slots=True)
class Unpriced:
    """Calls without a price, and why (`price_status`)."""

    provider: str
    model: str
    status: str
    first_call: str
    last_call: str
    sums: Sums


@dataclass(frozen=True, slots=True)
class Late:
    """Calls of one day that came late; `after_period`: `late_hours` or more after the period was over."""

    day: str
    sums: Sums
    after_period: int
    after_period_cost: int
    last_ingested: str


@dataclass(frozen=True, slots=True)
class Reported:
    """Calls whose router told a cost: what it told (pico-USD) beside `sums.cost`."""

    provider: str
    reported: int
    sums: Sums


@dataclass(frozen=True, slots=True)
class Excluded:
    """Records that are in no total: `outcome` is reject or duplicate."""

    outcome: str
    reason: str
    records: int


@dataclass(frozen=True, slots=True)
class BudgetLine:
    """A monthly budget as it stands; amounts in pico-USD. `crossed`: the highest threshold reached, per cent."""

    budget: str
    value: str
    amount: int
    spent: int
    remaining: int
    hard: bool
    crossed: int
    unpriced: int


@dataclass(frozen=True)
class Report:
    """The whole report. `months` are those with calls, newest first: (first day, calls).

    `closing`, `corrections`, `since` and `budgets` are of months only: the closing in force; what became known in this
    month of earlier closed ones; corrections of this month that count in later ones, with the month in which they do.
    """

    period: Period
    before: Period
    made_at: datetime
    late_hours: int
    top: int
    ledger_calls: int
    months: tuple[tuple[str, int], ...]
    cells: tuple[Cell, ...]
    cells_before: tuple[Cell, ...]
    agents: tuple[Agent, ...]
    runs: tuple[Run, ...]
    unpriced: tuple[Unpriced, ...]
    late: tuple[Late, ...]
    reported: tuple[Reported, ...]
    excluded: tuple[Excluded, ...]
    closing: Change | None = None
    corrections: tuple[Correction, ...] = ()
    since: tuple[tuple[date, Correction], ...] = ()
    budgets: tuple[BudgetLine, ...] = ()
    fees: tuple[Fee, ...] = ()

    @cached_property
    def chargeback(self) -> list[Charged]:
        """What each team is charged, what is charged most first."""
        return chargeback(self.cells, self.corrections, self.fees)

    @cached_property
    def corrected(self) -> list[Corrected]:
        """Corrections of earlier months that count in this one, added up."""
        return corrected((f"{self.period.start:%Y-%m}", one) for one in self.corrections)

    @cached_property
    def corrected_since(self) -> list[Corrected]:
        """Corrections of this month that count in later ones, added up."""
        return corrected((f"{known:%Y-%m}", one) for known, one in self.since)

    @cached_property
    def came_since(self) -> list[Corrected]:
        """Calls of this month that came after it was closed: in none of its figures, corrections of later months."""
        return [one for one in self.corrected_since if one.kind == "late"]

    @cached_property
    def total(self) -> Sums:
        """Of the period."""
        return total(self.cells)

    @cached_property
    def total_before(self) -> Sums:
        """Of the period it is compared with."""
        return total(self.cells_before)

    @cached_property
    def has_tenants(self) -> bool:
        """Whether any call names a tenant."""
        corrected = (one.cell for one in self.corrections)
        return any(cell.tenant for cell in (*self.cells, *self.cells_before, *corrected))

    @cached_property
    def teams(self) -> dict[tuple[str, str], Pair]:
        """By (tenant, team); '' where a call names none."""
        return self._pairs(lambda cell: (cell.tenant, cell.team))

    @cached_property
    def tiers(self) -> dict[tuple[str], Pair]:
        """By (tier,)."""
        return self._pairs(lambda cell: (cell.tier,))

    @cached_property
    def models(self) -> dict[tuple[str, str], Pair]:
        """By (provider, model as it was asked for)."""
        return self._pairs(lambda cell: (cell.provider, cell.model))

    @cached_property
    def by_day(self) -> dict[str, Sums]:
        """Every day of the period in order, days without calls included."""
        found = grouped(self.cells, lambda cell: cell.day)
        return {day.isoformat(): found.get(day.isoformat(), Sums()) for day in self.period.days}

    @cached_property
    def by_day_tier(self) -> dict[tuple[str, str], Sums]:
        """By (day, tier), only what has calls."""
        return grouped(self.cells, lambda cell: (cell.day, cell.tier))

    def _pairs(self, key: Any) -> dict[Any, Pair]:
        now, before = grouped(self.cells, key), grouped(self.cells_before, key)
        gone = {name: (Sums(), sums) for name, sums in before.items() if name not in now}
        return {name: (sums, before.get(name, Sums())) for name, sums in now.items()} | gone


def read_report(
    ledger: Ledger,
    asked: Period | None,
    now: datetime,
    *,
    late_hours: int = LATE_HOURS,
    top: int = 20,
    plans: Sequence[Plan] = (),
) -> Report:
    """Read all figures. `asked` None: the latest month that holds calls (this month while the ledger is empty).

    `plans`: in force, for the chargeback of a month that is not closed.

    Raises `LedgerError` or `Unavailable`; a database without our tables is said in plain words.
    """
    ask = _Asker(ledger)
    [[ledger_calls, _, last_hour]] = ask("report_extent")
    period = asked or month(_instant(last_hour).date() if ledger_calls else now.date())
    before = period.before(now)
    span = _span(period)
    many = span | {"top": top}
    book = read_book(ask) if period.is_month else Book()
    placed = tuple(read_corrections(ask, book, read_cut(ask))) if book.closed else ()
    frozen, frozen_before = _frozen(ask, book, period), _frozen(ask, book, before)
    this = period.start.date()
    return Report(
        period=period,
        before=before,
        made_at=now,
        late_hours=late_hours,
        top=top,
        ledger_calls=int(ledger_calls),
        months=tuple((str(first), int(calls)) for first, calls in ask("report_months")),
        cells=_live(ask, period) if frozen is None else frozen[0],
        cells_before=_live(ask, before) if frozen_before is None else frozen_before[0],
        agents=tuple(
            Agent(tenant, agent, teams, int(runs), _sums(*rest))
            for tenant, agent, teams, runs, *rest in ask("report_agents", many)
        ),
        runs=tuple(
            Run(tenant, run, first, teams, int(agents), begin, end, _sums(*rest))
            for tenant, run, first, teams, agents, begin, end, *rest in ask("report_runs", many)
        ),
        unpriced=tuple(
            Unpriced(provider, model, status, begin, end, _sums(calls, tokens_in, tokens_out, calls, 0))
            for provider, model, status, calls, tokens_in, tokens_out, begin, end in ask("report_unpriced", span)
        ),
        late=tuple(
            Late(str(day), _sums(calls, 0, 0, unpriced, cost), int(after), pico(after_cost), last)
            for day, calls, unpriced, cost, after, after_cost, last in ask(
                "report_late", span | {"late_hours": late_hours}
            )
        ),
        reported=tuple(
            Reported(provider, pico(told), _sums(calls, 0, 0, unpriced, cost))
            for provider, calls, unpriced, told, cost in ask("report_reported", span)
        ),
        excluded=tuple(Excluded(outcome, reason, int(n)) for outcome, reason, n in ask("report_excluded", span)),
        closing=book.closing(this),
        corrections=tuple(one for month, one in placed if month == this) if frozen is None else frozen[1],
        since=tuple((month, one) for month, one in placed if one.of_month == this),
        budgets=_budgets(ask, period) if period.is_month else (),
        fees=frozen[2] if frozen is not None else read_fees(ask, plans, this) if period.is_month else (),
    )


def _frozen(ask: _Asker, book: Book, period: Period) -> Frozen | None:
    """The figures of a month that is closed."""
    closing = book.closing(period.start.date()) if period.is_month else None
    return None if closing is None else read_frozen(ask, closing)


def _live(ask: _Asker, period: Period) -> tuple[Cell, ...]:
    return tuple(map(_cell, ask("report_spend", _span(period))))


def _budgets(ask: _Asker, period: Period) -> tuple[BudgetLine, ...]:
    span = {"first_ms": round(period.start.timestamp() * 1000), "end_ms": round(period.end.timestamp() * 1000)}
    return tuple(
        BudgetLine(name, value, pico(amount), pico(spent), pico(left), bool(hard), int(crossed), int(unpriced))
        for name, value, _, _, amount, spent, left, hard, crossed, unpriced in ask("report_budgets", span)
    )


class _Asker:
    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def __call__(self, name: str, parameters: Mapping[str, Any] | None = None) -> list[list[Any]]:
        return self.rows(named_query(name), parameters)

    def rows(
        self, sql: str, parameters: Mapping[str, Any] | None = None, settings: Mapping[str, str] | None = None
    ) -> list[list[Any]]:
        """As the ledger answers, its missing tables said in plain words."""
        try:
            return self._ledger.rows(sql, parameters, settings)
        except OlderLedger:
            raise
        except LedgerError as error:
            if "UNKNOWN_TABLE" in str(error) or "UNKNOWN_DATABASE" in str(error):
                raise SpendstreamError(
                    "this database has no ledger: a worker makes its tables when it starts, and "
                    "so does `spendstream migrate`; if there is one, SPENDSTREAM_CLICKHOUSE_URL must end with its "
                    "database's name"
                ) from error
            raise


def _span(period: Period) -> dict[str, str]:
    return {"first": f"{period.start:%Y-%m-%d %H:%M:%S}", "end": f"{period.end:%Y-%m-%d %H:%M:%S}"}


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _cell(row: list[Any]) -> Cell:
    day, tenant, team, tier, provider, model, calls, tokens_in, tokens_out, read, write, reasoning, cost, none, bad = (
        row
    )
    sums = Sums(
        int(calls), int(tokens_in), int(tokens_out), int(read), int(write), int(reasoning),
        pico(cost), int(none), int(bad),
    )  # fmt: skip
    return Cell(str(day), tenant, team, tier, provider, model, sums)


def _sums(calls: Any, tokens_in: Any, tokens_out: Any, unpriced: Any, cost: Any) -> Sums:
    return Sums(int(calls), int(tokens_in), int(tokens_out), cost=pico(cost), unpriced=int(unpriced))
