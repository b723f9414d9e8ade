"""A month's FOCUS rows, read from the ledger, held against the month's figures before anybody gets them.

An open month as it is now; a closed one as it was closed, whatever came since. Corrections that count in the month are
rows of their own, with the charge period of the calls that they correct.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from streams.closing.book import Change, read_book
from streams.closing.cut import Reader, side_by_side
from streams.closing.statement import SKEW, Statement, counting_month, read_statement
from streams.errors import LedgerError
from streams.export.focus import Account, Priced, Row, correction_rows, plan_rows, rows
from streams.export.groups import Group, Marks, marks, read_groups, read_names, span
from streams.export.split import split
from streams.ledger.sqlfiles import named_query
from streams.meter.price import Overrides, Pricer, load_aliases
from streams.meter.price.sheet import Sheet
from streams.money import exact
from streams.report.period import month as month_of

if TYPE_CHECKING:
    from schemas.plans import Plan


@dataclass(frozen=True, slots=True)
class Export:
    """The rows, and what a reader must know of them. Costs in pico-USD. `tag_keys`: keys of tags that calls of the
    month carry, the most frequent first, exported or not."""

    month: date
    closing: Change | None
    rows: tuple[Row, ...]
    cost: int
    corrections: int
    plans: int
    unpriced_calls: int
    whole_cost: int
    tag_keys: tuple[str, ...]


class Prices:
    """The sheets of names: as charged, and as listed by the book alone."""

    def __init__(self, pricer: Pricer) -> None:
        """`pricer`: with the operator's prices."""
        self._own = pricer
        self._listed = Pricer(pricer.book, Overrides(), load_aliases())

    def of(self, provider: str, model: str, answered: str) -> tuple[Sheet, Sheet]:
        """(charged, listed)."""
        names = (provider or None, model, answered or None)
        return self._own.sheet(*names), self._listed.sheet(*names)


def export_month(
    reader: Reader, pricer: Pricer, account: Account, tags: Sequence[str] = (), plans: Sequence[Plan] = ()
) -> Export:
    """The rows of a month. `tags`: keys of the calls' tags that become FOCUS tags; rows are by their values.

    `plans`: in force; a closed month has those that it had.

    Raises `LedgerError` when the rows do not add up to the month's figures, which happens when rows of a closed month
    are gone from the ledger (retention).
    """
    statement = read_statement(reader, account.month, plans)
    prices = Prices(pricer)
    own = list(_priced(_usage(reader, prices, account, tags, statement), prices, ""))
    late = list(_priced(_late(reader, prices, account, tags, statement), prices, "late"))
    rerated = [one for one in statement.corrections if one.kind == "rerated"]
    expected = {
        "own calls": (statement.own.cost, sum(one.charge.cost for one in own)),
        "late calls": (
            statement.corrected.cost - sum(one.cell.sums.cost for one in rerated),
            sum(one.charge.cost for one in late),
        ),
    }
    for what, (figure, found) in expected.items():
        if figure != found:
            raise LedgerError(
                f"{what} of {account.month:%Y-%m}: the rows give {exact(found)} USD and the month's figures "
                f"{exact(figure)} USD. `spendstream audit` and `spendstream close --check` say more"
            )
    period = month_of(account.month)
    found_tags = reader.rows(named_query("export_tags"), span(period.start, period.end))
    return Export(
        month=account.month,
        closing=statement.closing,
        rows=(*rows([*own, *late], account), *correction_rows(rerated, account), *plan_rows(statement.fees, account)),
        cost=statement.own.cost,
        corrections=statement.corrected.cost,
        plans=sum(fee.amount for fee in statement.fees),
        unpriced_calls=statement.own.unpriced,
        whole_cost=sum(one.charge.cost for one in [*own, *late] if not one.charge.is_split),
        tag_keys=tuple(str(row[0]) for row in found_tags),
    )


def _usage(reader: Reader, prices: Prices, account: Account, tags: Sequence[str], statement: Statement) -> list[Group]:
    period = month_of(account.month)
    asked = side_by_side([statement.cut]) | {"ratings": list(statement.cut.ratings)}
    return read_groups(
        reader, period.start, period.end, account.step, _marks(reader, prices, period.start, period.end), tags,
        **asked, late=0, months=[], since_ms=0,
    )  # fmt: skip


def _late(reader: Reader, prices: Prices, account: Account, tags: Sequence[str], statement: Statement) -> list[Group]:
    """Calls of closed months that count as corrections in this one."""
    book = read_book(reader)
    if statement.closing is not None:
        book = book.as_of(statement.closing)
    closed = book.closed
    others = [one.month for one in closed if one.month != account.month]
    if not others:
        return []
    first, end = _midnight(min(others)), month_of(max(others)).end
    asked: dict[str, Any] = side_by_side([*(one.cut for one in closed), statement.cut]) | {
        "ratings": [],
        "late": 1,
        "months": [one.month.isoformat() for one in closed],
        "since_ms": int((closed[0].at - SKEW).timestamp() * 1000),
    }
    places = _marks(reader, prices, first, end)
    found = read_groups(reader, first, end, account.step, places, tags, **asked)
    return [one for one in found if counting_month(one.known, one.first_cut, closed) == account.month]


def _marks(reader: Reader, prices: Prices, first: datetime, end: datetime) -> Marks:
    return marks(sheet for names in read_names(reader, first, end) for sheet in prices.of(*names))


def _priced(groups: Sequence[Group], prices: Prices, correction: str) -> Iterator[Priced]:
    for group in groups:
        for charge in split(group, *prices.of(group.provider, group.model, group.answered)):
            yield Priced(group, charge, correction)


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
