"""Does the ledger still give the figures that a closing froze? A proof for whoever doubts them.

The figures are computed again from the ledger's rows at the closing's cut, and compared with the frozen ones and with
the digest. What plans made of the month is taken as it was frozen: the plans file is not the ledger's. They differ when
rows are gone (retention) or somebody changed the ledger by hand.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from streams.closing.book import Change, read_book
from streams.closing.cut import Reader
from streams.closing.digest import digest, figures
from streams.closing.statement import read_corrections, read_frozen, read_usage
from streams.errors import NotPossible
from streams.money import exact
from streams.report.period import month as month_of
from streams.report.sums import total


@dataclass(frozen=True, slots=True)
class Check:
    """`stored`: the frozen figures have the digest. `recomputed`: so has the ledger. Costs of own calls, pico-USD."""

    closing: Change
    stored: bool
    recomputed: bool
    frozen_cost: int
    ledger_cost: int

    @property
    def ok(self) -> bool:
        """Both are as they were signed."""
        return self.stored and self.recomputed

    def as_json(self) -> dict[str, Any]:
        """What the user sees."""
        return {
            "month": f"{self.closing.month:%Y-%m}",
            "ok": self.ok,
            "digest": self.closing.digest,
            "frozen_figures_have_it": self.stored,
            "ledger_has_it": self.recomputed,
            "frozen_cost_usd": exact(self.frozen_cost),
            "ledger_cost_usd": exact(self.ledger_cost),
        }


def check_month(reader: Reader, month: date) -> Check:
    """Compute a closed month again. Raises `NotPossible` when it is not closed."""
    book = read_book(reader)
    closing = book.closing(month)
    if closing is None:
        raise NotPossible(f"{month_of(month).name} is not closed: there is nothing to check")
    usage, corrections, fees = read_frozen(reader, closing)
    stored = digest(month, figures(month, usage, corrections, fees)) == closing.digest
    again = read_usage(reader, month, closing.cut)
    known = [one for counts_in, one in read_corrections(reader, book.as_of(closing), closing.cut) if counts_in == month]
    recomputed = digest(month, figures(month, again, known, fees)) == closing.digest
    return Check(closing, stored, recomputed, total(usage).cost, total(again).cost)
