"""`read_savings`: everything about savings for one span, and how it is told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from schemas.plans import Plan
from streams.counted import counted
from streams.meter.price import Pricer
from streams.money import exact, pico
from streams.outcomes.intervals import Counts
from streams.outcomes.period import Span
from streams.outcomes.runs import Reader, read_coverage, read_runs
from streams.report.money import shown
from streams.savings.decision import Known, Question, Recommendation, questions, recommended
from streams.savings.estimate import Move, Range, cells_of, estimated, main_model
from streams.savings.evidence import Pair, pairs_of
from streams.savings.mix import CLASSES, TIERS, Cell, lasted, of, read_days, read_mix, share, steady_part
from streams.savings.observed import cost_ratio
from streams.savings.plans import BreakEven, break_evens
from streams.savings.repriced import reprice

MARGIN: Final = 0.05
"""Five points of success rate: the loss that must be ruled out."""


@dataclass(frozen=True, slots=True)
class Savings:
    """The estimate for one span. Money in 1e-12 USD."""

    span: Span
    margin: float
    cells: Sequence[Cell]
    pairs: Sequence[Pair]
    moves: Sequence[Move]
    """At most one for each class and present tier: the one that saves most. Nothing is counted twice."""
    known: Known
    questions: tuple[Question, ...]
    recommendation: Recommendation
    break_even: Sequence[BreakEven]
    """Of each flat plan of the operator's."""

    @property
    def saving(self) -> Range:
        """All worthwhile moves together: all low ends, and all high ends."""
        total = Range(0, 0)
        for move in self.moves:
            if move.saving is not None and move.worthwhile:
                total += move.saving
        return total

    @property
    def assumptions(self) -> tuple[str, ...]:
        """What the range rests on, in plain words."""
        said = [
            f"A loss of {self.margin:.0%} of success or more is ruled out with one-sided 95 % for all pairs of tiers "
            "together; a smaller loss is not.",
            "Runs without a verdict are taken to be like those with one, of the same agent and task class.",
            "The router chose which runs went to the cheaper tier; within an agent and a class that choice is taken to "
            "be without effect. A random split would show it.",
            "The cheaper tier's prices, limits and speed stay as they are when more calls go there.",
        ]
        if any(move.by_price is not None for move in self.moves):
            said += [
                "Repriced: the same tokens at the cheaper tier's most used model. At the worst end no prompt-cache "
                "read is found any more, at the best end all are; both are bounds, not guesses.",
                "An escalated run pays for the cheap attempt and then in full on the present tier.",
            ]
        if any(move.by_observation is not None for move in self.moves):
            said.append(
                "Observed: means of a run's whole cost, retries and escalations in it; runs so rare and dear that none "
                "was seen are not in it."
            )
        if self.unpriced:
            said.append(
                f"Without a price, and in no sum: {counted(self.unpriced, 'call')}. A * marks an amount that leaves "
                "some out."
            )
        return tuple(said)

    @property
    def unpriced(self) -> int:
        """Calls of the span without a price."""
        return of(self.cells, lambda cell: cell.unpriced)

    def as_json(self) -> dict[str, Any]:
        """JSON's own types; money as decimal strings."""
        known = self.known
        return {
            **self.span.as_json(),
            "days": self.span.days,
            "margin": self.margin,
            "calls": known.calls,
            "cost_usd": exact(known.cost),
            "unpriced_calls": self.unpriced,
            "routine_share": list(known.routine),
            "movable_share": list(known.movable),
            "cheapest_tier_share": known.lowest_tier,
            "mix": self._mix(),
            "evidence": [_pair_json(pair) for pair in self.pairs],
            "moves": [_move_json(move) for move in self.moves],
            "saving_usd": _range_json(self.saving),
            "saving_share": [share(end, known.cost) for end in (self.saving.low, self.saving.high)],
            "saving_30_days_usd": _range_json(self.for_30_days),
            "assumptions": list(self.assumptions),
            "questions": [
                {"question": one.question, "answer": one.answer, "why": one.why} for one in self.questions
            ],
            "recommendation": {
                "kind": self.recommendation.kind,
                "why": self.recommendation.why,
                "conditions": list(self.recommendation.conditions),
            },
            "break_even": [one.as_json() for one in self.break_even],
        }  # fmt: skip

    @property
    def for_30_days(self) -> Range:
        """The range as it would be for 30 such days, rounded down to 1e-12 USD."""
        return Range(self.saving.low * 30 // self.span.days, self.saving.high * 30 // self.span.days)

    def _mix(self) -> list[dict[str, Any]]:
        return [
            {
                "task_class": task_class,
                "tier": tier,
                "calls": of(part, lambda cell: cell.calls),
                "call_share": share(of(part, lambda cell: cell.calls), self.known.calls),
                "cost_usd": exact(of(part, lambda cell: cell.cost)),
                "unpriced_calls": of(part, lambda cell: cell.unpriced),
                "cost_share": share(of(part, lambda cell: cell.cost), self.known.cost),
            }
            for task_class in CLASSES
            for tier in sorted({cell.tier for cell in self.cells})
            if (part := [cell for cell in self.cells if (cell.task_class, cell.tier) == (task_class, tier)])
        ]


def mix_spend(line: Mapping[str, Any]) -> str:
    """What a line of `mix` says of its cost to people: cents, with a `*` when it leaves calls without a price out, or
    that no call of it has a price, which is not free."""
    if line["unpriced_calls"] == line["calls"]:
        return "unpriced"
    return shown(pico(line["cost_usd"])) + (" *" if line["unpriced_calls"] else "")


def read_savings(
    ledger: Reader,
    pricer: Pricer,
    span: Span,
    *,
    margin: float = MARGIN,
    evaluator: str = "",
    plans: Sequence[Plan] = (),
) -> Savings:
    """Read, test, price and decide. `pricer`: with the operator's own prices, if there are any."""
    cells = read_mix(ledger, span, evaluator)
    runs = read_runs(ledger, span, evaluator)
    pairs = pairs_of(runs, margin)
    best: dict[tuple[str, str], Move] = {}
    for pair in pairs:
        if pair.state != "movable" or not cells_of(cells, pair, pair.present):
            continue
        model = main_model(cells, pair)
        repriced = None
        if model is not None:
            repriced = reprice(
                ledger, pricer, span, evaluator, pair.task_class, pair.present, pair.agents, model
            )  # fmt: skip
        mine = [run for run in runs if run.agent in pair.agents]
        ratio = cost_ratio(mine, pair.task_class, pair.present, pair.other)
        move = estimated(cells, runs, pair, ratio, repriced, model)
        key = (pair.task_class, pair.present)
        if key not in best or _worth(move) > _worth(best[key]):
            best[key] = move
    moves = [best[key] for key in sorted(best, key=lambda key: (CLASSES.index(key[0]), TIERS.index(key[1])))]
    known = _known(ledger, span, evaluator, cells, pairs, moves)
    answers = questions(known)
    told = break_evens(ledger, plans, span) if plans else []
    return Savings(span, margin, cells, pairs, moves, known, answers, recommended(known, answers), told)


def _worth(move: Move) -> int:
    return 0 if move.saving is None else move.saving.low + move.saving.high


def _known(
    ledger: Reader, span: Span, evaluator: str, cells: Sequence[Cell], pairs: Sequence[Pair], moves: Sequence[Move]
) -> Known:
    calls, days = of(cells, lambda cell: cell.calls), read_days(ledger, span)
    by_class = {name: of([c for c in cells if c.task_class == name], lambda cell: cell.calls) for name in CLASSES}
    movable = sum(move.calls for move in moves)
    # What could still turn out movable: on a dearer tier, and not known to be worse on every cheaper one.
    dearer = of([cell for cell in cells if cell.tier in TIERS[1:] and not _kept(cell, pairs)], lambda cell: cell.calls)
    return Known(
        calls=calls,
        cost=of(cells, lambda cell: cell.cost),
        routine=(share(by_class["routine"], calls), share(by_class["routine"] + by_class[""], calls)),
        classed=share(calls - by_class[""], calls),
        movable=(share(movable, calls), share(max(movable, dearer), calls)),
        lowest_tier=share(of([cell for cell in cells if cell.tier == TIERS[0]], lambda cell: cell.calls), calls),
        coverage=read_coverage(ledger, span, evaluator),
        with_policy=share(of(cells, lambda cell: cell.with_policy), calls),
        with_owner=share(of(cells, lambda cell: cell.with_owner), calls),
        days=lasted(days),
        steady=steady_part(days),
    )


def _kept(cell: Cell, pairs: Sequence[Pair]) -> bool:
    """Known to stay where it is: it was sent up, or every cheaper tier was shown to be worse for its agent."""
    cheaper = [pair for pair in pairs if (pair.task_class, pair.present) == (cell.task_class, cell.tier)]
    return cell.escalated or (
        len(cheaper) == TIERS.index(cell.tier)
        and all(pair.state == "worse" and cell.agent in pair.agents for pair in cheaper)
    )


def _pair_json(pair: Pair) -> dict[str, Any]:
    found = pair.difference
    return {
        "task_class": pair.task_class,
        "from_tier": pair.present,
        "to_tier": pair.other,
        "state": pair.state,
        "from": _counts_json(pair.runs_present),
        "to": _counts_json(pair.runs_other),
        "agents_compared": len(pair.agents),
        "difference": None if found is None else found.estimate,
        "low": None if found is None else found.low,
        "high": None if found is None else found.high,
        "confidence": pair.confidence,
        "runs_needed": pair.runs_needed,
    }


def _move_json(move: Move) -> dict[str, Any]:
    ratio, repriced = move.observed, move.repriced
    return {
        "task_class": move.pair.task_class,
        "from_tier": move.pair.present,
        "to_tier": move.pair.other,
        "calls": move.calls,
        "cost_usd": exact(move.cost),
        "unpriced_calls": move.unpriced,
        "saving_usd": _range_json(move.saving),
        "worthwhile": move.worthwhile,
        "observed": None if ratio is None else {
            "cost_ratio": ratio.estimate, "low": ratio.low, "high": ratio.high, "runs": ratio.runs,
            "saving_usd": _range_json(move.by_observation),
        },
        "repriced": None if repriced is None or move.model is None else {
            "provider_name": move.model[0], "request_model": move.model[1], "calls": repriced.calls,
            "calls_left_out": repriced.left_out, "present_usd": exact(repriced.present),
            "cache_kept_usd": exact(repriced.kept), "cache_lost_usd": exact(repriced.lost),
            "saving_usd": _range_json(move.by_price),
        },
        "escalated": _counts_json(move.escalated),
        "retries": _counts_json(move.retries),
        "retries_now": _counts_json(move.retries_now),
    }  # fmt: skip


def _counts_json(counts: Counts) -> dict[str, int]:
    return {"hits": counts.hits, "of": counts.of}


def _range_json(found: Range | None) -> list[str] | None:
    return None if found is None else [exact(found.low), exact(found.high)]
