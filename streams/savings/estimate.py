"""What moving one class of calls to a cheaper tier would save: always a range. Pure; money in 1e-12 USD.

Two estimates, whose ends together make the range:

    observed  present cost x (1 - what a run on the cheaper tier costs over what one costs here), at both ends of that
              ratio's interval. Retries, escalations and lost caches are in it: those runs had them.
    repriced  the same calls at the cheaper tier's most used model, plus what the cheaper tier causes:
                best end   cache reads kept; the share of runs that are escalated at its interval's low end
                worst end  cache reads all lost; retries and escalations at their intervals' high ends
              An escalated run pays for the cheap attempt and then in full on the present tier; a retry pays again.

Products with shares are rounded once, half to even, to 1e-12 USD.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from streams.outcomes.intervals import Counts, wilson
from streams.outcomes.runs import Run
from streams.savings.evidence import Pair
from streams.savings.mix import Cell, of
from streams.savings.observed import Ratio
from streams.savings.repriced import Repriced


@dataclass(frozen=True, slots=True)
class Range:
    """From the least to the most, in 1e-12 USD; below zero it costs more than now."""

    low: int
    high: int

    def __add__(self, other: Range) -> Range:
        return Range(self.low + other.low, self.high + other.high)


@dataclass(frozen=True, slots=True)
class Move:
    """Calls of one class that could go from one tier to a cheaper one, and what that would save."""

    pair: Pair
    calls: int
    cost: int
    unpriced: int
    observed: Ratio | None
    repriced: Repriced | None
    model: tuple[str, str] | None
    """(provider, model) that was repriced with."""
    escalated: Counts
    """Runs that began on the cheaper tier and had a call sent up, among all such runs of the class."""
    retries: Counts
    """Retries among the cheaper tier's calls of the class."""
    retries_now: Counts
    """The same on the present tier."""
    by_observation: Range | None
    by_price: Range | None

    @property
    def saving(self) -> Range | None:
        """The hull of both estimates; None when neither could be made."""
        known = [one for one in (self.by_observation, self.by_price) if one is not None]
        return Range(min(one.low for one in known), max(one.high for one in known)) if known else None

    @property
    def worthwhile(self) -> bool:
        """It may save something; a move that cannot is shown and not added up."""
        return self.saving is not None and self.saving.high > 0


def cells_of(cells: Sequence[Cell], pair: Pair, tier: str) -> list[Cell]:
    """The cells of a pair's class and agents that were sent to one tier at first."""
    agents = set(pair.agents)
    return [
        cell
        for cell in cells
        if (cell.task_class, cell.tier, cell.escalated) == (pair.task_class, tier, False) and cell.agent in agents
    ]


def main_model(cells: Sequence[Cell], pair: Pair) -> tuple[str, str] | None:
    """(provider, model) with most calls of the pair's class and agents on the cheaper tier."""
    calls: dict[tuple[str, str], int] = {}
    for cell in cells_of(cells, pair, pair.other):
        calls[cell.provider, cell.model] = calls.get((cell.provider, cell.model), 0) + cell.calls
    return max(sorted(calls), key=calls.__getitem__) if calls else None


def estimated(
    cells: Sequence[Cell],
    runs: Sequence[Run],
    pair: Pair,
    observed: Ratio | None,
    repriced: Repriced | None,
    model: tuple[str, str] | None,
) -> Move:
    """Put the parts together."""
    here, there = cells_of(cells, pair, pair.present), cells_of(cells, pair, pair.other)
    began = [
        run for run in runs if run.task_class == pair.task_class and run.tier == pair.other and run.agent in pair.agents
    ]
    escalated = Counts(sum(run.escalated > 0 for run in began), len(began))
    cost = of(here, lambda cell: cell.cost)
    retries, retries_now = _retries(there), _retries(here)
    return Move(
        pair=pair,
        calls=of(here, lambda cell: cell.calls),
        cost=cost,
        unpriced=of(here, lambda cell: cell.unpriced),
        observed=observed,
        repriced=repriced,
        model=model,
        escalated=escalated,
        retries=retries,
        retries_now=retries_now,
        by_observation=None if observed is None else _by_observation(cost, observed),
        by_price=_by_price(repriced, escalated, retries, retries_now),
    )


def _by_observation(cost: int, ratio: Ratio) -> Range:
    return Range(cost - times(cost, ratio.high), cost - times(cost, ratio.low))


def _by_price(repriced: Repriced | None, escalated: Counts, retries: Counts, now: Counts) -> Range | None:
    if repriced is None or not repriced.calls:
        return None
    low, high = wilson(escalated.hits, escalated.of)
    more = max(0.0, wilson(retries.hits, retries.of)[1] - (now.hits / now.of if now.of else 0.0))
    present = repriced.present
    best = present - repriced.kept - times(present, low)
    worst = present - repriced.lost - times(repriced.lost, more) - times(present, high)
    return Range(min(best, worst), max(best, worst))


def times(amount: int, share: float) -> int:
    """An amount times a share, rounded half to even; the share's own binary value is exact."""
    return round(amount * Fraction(share))


def _retries(cells: Sequence[Cell]) -> Counts:
    return Counts(of(cells, lambda cell: cell.retries), of(cells, lambda cell: cell.calls))
