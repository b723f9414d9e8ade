"""Per-token, flat-rate or hybrid: four questions, their answers from the ledger, one recommendation. Pure.

Per-token pricing suits what cannot be foreseen (experiments); a flat fee suits what is the same every day. So the rule
looks at three things, in this order:

    1. What is not known. Fewer than 14 days, or no cost at all: per-token, until there is something to commit to.
    2. How steady spend is: the cost of a quiet day (10th percentile) over that of a mean day.
           under 30 %            per-token: a fee would be paid for idle capacity
           70 % and more, 70 % of calls and more known as routine, evaluation and policies there: flat-rate
           else                  hybrid: a flat fee for the steady base, per-token for what is above it
    3. What must be there first: evaluation that would catch a regression, and audit logs with policies. Where one of
       them is missing the recommendation says so as a condition.

The limits are ours, stated here and in docs/savings.md; they are not measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from streams.counted import counted
from streams.outcomes.runs import Coverage
from streams.report.money import shown

Answer = Literal["yes", "partly", "no", "unknown"]
Kind = Literal["per-token", "flat-rate", "hybrid"]

UNSTEADY: Final = 0.3
STEADY: Final = 0.7
ROUTINE: Final = 0.7
JUDGED_SHARE: Final = 0.1
JUDGED_LEAST: Final = 200
"""Runs: a success rate within 7 points, and a drop by 20 points found within about a hundred more."""
RECORDED: Final = 0.95


@dataclass(frozen=True, slots=True)
class Question:
    """One of the four, its answer, and why in one sentence."""

    question: str
    answer: Answer
    why: str


@dataclass(frozen=True, slots=True)
class Recommendation:
    """What to buy, why, and what must be there first."""

    kind: Kind
    why: str
    conditions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Known:
    """What the decision rests on. Shares are of all calls of the span; money is 1e-12 USD."""

    calls: int
    cost: int
    routine: tuple[float, float]
    """Least (said to be routine) and most (those and all that nobody classed)."""
    classed: float
    movable: tuple[float, float]
    """Least (shown to be movable) and most (those and all of which too little is known)."""
    lowest_tier: float
    """Share that is on the cheapest tier already."""
    coverage: Coverage
    with_policy: float
    with_owner: float
    days: int
    """From the first day with calls to the last."""
    steady: tuple[int, int] | None
    """(cost of a quiet day, of a mean day); None: too few days."""

    @property
    def steadiness(self) -> float | None:
        """A quiet day's cost over a mean day's."""
        if self.steady is None or not self.steady[1]:
            return None
        return self.steady[0] / self.steady[1]


def questions(known: Known) -> tuple[Question, ...]:
    """The four, in the order of the decision."""
    return (_routine(known), _cheap(known), _evaluation(known), _audit(known))


def _routine(known: Known) -> Question:
    asked = "How much of the work is routine?"
    if not known.calls:
        return Question(asked, "unknown", "There are no calls.")
    low, high = known.routine
    if known.classed < 0.5:
        return Question(
            asked, "unknown", f"Only {known.classed:.0%} of calls say a task class; {low:.0%} are known as routine. "
            "Let the router or the evaluator set task_class."
        )  # fmt: skip
    answer: Answer = "yes" if low >= 0.5 else "partly" if high >= 0.2 else "no"
    return Question(asked, answer, f"Between {low:.0%} and {high:.0%} of calls ({known.classed:.0%} say a class).")


def _cheap(known: Known) -> Question:
    asked = "How much can go to a cheaper tier without measurable loss?"
    low, high = known.movable
    already = f" {known.lowest_tier:.0%} are on the cheapest tier already." if known.lowest_tier else ""
    if low:
        answer: Answer = "yes" if low >= 0.2 else "partly"
        return Question(
            asked, answer, f"{low:.0%} of calls by the evidence there is, {high:.0%} at the very most." + already
        )
    if high:
        return Question(asked, "unknown", f"Not enough evidence: of {high:.0%} of calls too little is known." + already)
    return Question(asked, "no", "Nothing is left that could go." + already)


def _evaluation(known: Known) -> Question:
    asked = "Is there evaluation that would catch a regression?"
    coverage = known.coverage
    if not coverage.judged:
        return Question(asked, "no", "No run has a verdict. `spendstream outcomes load` or a publisher brings them.")
    share = coverage.judged / coverage.runs
    by = counted(coverage.evaluators, "evaluator")
    why = f"{coverage.judged:,} of {coverage.runs:,} runs ({share:.0%}) have a verdict, by {by}."
    if share >= JUDGED_SHARE and coverage.judged >= JUDGED_LEAST:
        return Question(asked, "yes", why)
    return Question(asked, "partly", why + f" It takes {JUDGED_SHARE:.0%} of runs and {JUDGED_LEAST} of them.")


def _audit(known: Known) -> Question:
    asked = "Are audit logs and policies in place?"
    if not known.calls:
        return Question(asked, "unknown", "There are no calls.")
    why = (
        f"Every call is in the ledger; {known.with_policy:.0%} name the policy and its decision, "
        f"{known.with_owner:.0%} a team or key."
    )
    if min(known.with_policy, known.with_owner) >= RECORDED:
        return Question(asked, "yes", why)
    some = known.with_policy > 0
    return Question(asked, "partly" if some else "no", why + f" It takes {RECORDED:.0%} of both.")


def recommended(known: Known, answers: Sequence[Question]) -> Recommendation:
    """By the rule of the module."""
    evaluation, audit = answers[2].answer, answers[3].answer
    conditions = []
    if evaluation != "yes":
        conditions.append("Judge more runs first: without verdicts a cheaper tier's losses are not seen.")
    if audit != "yes":
        conditions.append("Let the router send policy_id, decision and team_id with each call.")
    if answers[0].answer == "unknown" and known.calls:
        conditions.append("Let the router send task_class: what is routine is not known.")
    steadiness = known.steadiness
    if steadiness is None:
        why = (
            f"Calls of {counted(known.days, 'day')} are too few to see what is steady (14 days are needed)."
            if known.steady is None
            else "There is no cost yet."
        )
        return Recommendation("per-token", why, tuple(conditions))
    quiet, mean = known.steady or (0, 0)
    said = f"A quiet day costs {shown(quiet)} USD, a mean day {shown(mean)} USD: {steadiness:.0%} of spend is steady"
    if steadiness < UNSTEADY:
        return Recommendation("per-token", f"{said}; a flat fee would be paid for idle capacity.", tuple(conditions))
    base = f"A flat fee for that base pays off below {shown(quiet * 30)} USD for 30 days, at today's mix and prices"
    if steadiness >= STEADY and known.routine[0] >= ROUTINE and evaluation == "yes" and audit == "yes":
        return Recommendation("flat-rate", f"{said}, and most of it is routine. {base}.", tuple(conditions))
    return Recommendation("hybrid", f"{said}. {base}; what is above it stays per-token.", tuple(conditions))
