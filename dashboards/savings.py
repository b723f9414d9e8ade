"""*Savings*: what could go to a cheaper tier without measurable loss, what it would save, what to buy.

Reads the tables that a duty of the worker fills once a day: these figures need more than SQL to work out.
"""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard

from dashboards.kit import board, listing, number, place, series

UID = "spendstream-savings"


def savings() -> dashboard.Dashboard:
    """The board."""
    made = board(
        UID, "Savings", "What could go to a cheaper tier without measurable loss, and what it saves. Once a day.",
        since="now-90d", refresh="",
    )  # fmt: skip
    return place(
        made,
        [
            (
                "", 4,
                [
                    (4, number("Judged runs", "savings_now", "judged",
                        "Share of runs with a verdict, of the 30 days up to the latest whole day. If it is small,"
                        " have evaluators send outcomes (docs/outcomes.md): the rest of this board rests on them.",
                        steps=((None, "red"), (0.01, "orange"), (0.1, "green")))),
                    (4, number("Routine calls", "savings_now", "routine",
                        "Share of calls known as routine. If it is 0, calls carry no task_class: let the router"
                        " set it.")),
                    (4, number("Could move", "savings_now", "movable",
                        "Share of calls that could go to a cheaper tier without measurable loss. If it is 0, see"
                        " below whether evidence is missing or speaks against it.")),
                    (4, number("Not known", "savings_now", "unknown",
                        "Share of calls of which too little is known. If it is large, send a tenth of a task class to"
                        " the cheaper tier by chance, and judge the runs.")),
                    (4, number("Saves at least", "savings_now", "saving_low",
                        "Low end of the range for 30 days, with every cached prompt lost. If it is below 0, the"
                        " move may cost more than it saves.")),
                    (4, number("Saves at most", "savings_now", "saving_high",
                        "High end of the range for 30 days. If it is far above the low end, more judged runs on both"
                        " tiers narrow it.")),
                ],
            ),
            (
                "The decision", 8,
                [
                    (24, listing("Four questions", "savings_questions",
                        "What is known before a plan is bought, and what follows from it. If an answer is no or"
                        " unknown, its reason says what to send (docs/savings.md).",
                        widths={"question": 420, "answer": 110})),
                ],
            ),
            (
                "", 9,
                [
                    (24, listing("Could it go to a cheaper tier?", "savings_evidence",
                        "Success on the cheaper tier less success on the present one, same agents and task class. If"
                        " it says unclear, so many judged runs on each tier would tell.",
                        widths={"runs_needed": 115})),
                ],
            ),
            (
                "By day", 9,
                [
                    (12, series("What it would save", "savings_by_day",
                        "Both ends of the range for 30 days, as each day's estimate says. If they drift apart, fewer"
                        " runs are judged than before.", interval="1d", signed=True)),
                    (12, series("What is known", "savings_shares",
                        "Shares of calls, as each day's estimate says. If what is not known does not fall, the"
                        " cheaper tier gets no runs to compare.", interval="1d")),
                ],
            ),
        ],
    )  # fmt: skip
